import Glibc
import IPVSMessages
import LVS

/// Why the family `IPVS` did not do what was asked: an errno, as a kernel gives.
///
/// libnl hands on only some of them; any other comes to its programs as "no permission".
struct IPVSRefusal: Error, Hashable {
  let errno: Int32

  /// Something is missing or makes no sense.
  static let invalid = IPVSRefusal(errno: EINVAL)
  static let noSuchService = IPVSRefusal(errno: ESRCH)
  static let noSuchFamily = IPVSRefusal(errno: EAFNOSUPPORT)
  static let notSupported = IPVSRefusal(errno: EOPNOTSUPP)

  init(errno: Int32) {
    self.errno = errno
  }

  init(_ error: any Error) {
    errno =
      switch error {
      case let refusal as IPVSRefusal: refusal.errno
      case let error as PlaneError: error.errno
      case is MalformedMessage: EINVAL
      default: EAGAIN
      }
  }
}

extension PlaneError {
  /// What a kernel would say to the same; where it never would, the nearest that libnl's programs have words for.
  fileprivate var errno: Int32 {
    switch self {
    case .serviceExists, .serverExists, .syncRuns: EEXIST
    case .noSuchService, .noSync: ESRCH
    case .noSuchServer, .unknownScheduler, .unknownEngine: ENOENT
    case .outOfRange: ERANGE
    case .invalid, .notUnicast: EINVAL
    case .vipContested, .vipOnHost: EBUSY
    case .notSupported: EOPNOTSUPP
    case .unavailable: EAGAIN
    case .full: ENOMEM
    }
  }
}
