import Glibc
import IPVSMessages
import LVS

/// Why the kernel's IPVS did not do what was asked.
public enum KernelError: Error, Hashable, Sendable {
  /// The kernel has no family `IPVS`: the module is not loaded, or not built.
  case noIPVS
  /// The kernel refused the command with this errno.
  case refused(Command, Int32)
  /// The table changed during each of several dumps.
  case interrupted(Command)
  /// An answer that cannot be read, or none.
  case unreadable(Command)
  /// No socket, or none that works: libnl's words.
  case socket(String)
}

/// A refusal of the kernel's with what it refused.
public struct KernelRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  public let error: KernelError
  /// What was asked for, where it was a change.
  public let change: Change?

  public init(_ error: KernelError, about change: Change? = nil) { (self.error, self.change) = (error, change) }

  public var description: String { PlaneError(error, about: change).description }
}

extension KernelError: CustomStringConvertible {
  public var description: String { PlaneError(self, about: nil).description }
}

extension PlaneError {
  /// The kernel's refusal, as every plane would say it.
  ///
  /// - Parameter change: what was asked for, where it was a change.
  public init(_ error: KernelError, about change: Change?) {
    switch error {
    case .noIPVS:
      self = .unavailable(
        "this kernel has no IPVS: load it with 'modprobe ip_vs', or forward in user space (lbd --data-plane af-packet)")
    case .interrupted:
      self = .unavailable("the kernel's table keeps changing while it is read: try again")
    case .unreadable(let command): self = .unavailable("the kernel's answer to \(command) cannot be read")
    case .socket(let reason): self = .unavailable("no way to the kernel's IPVS: \(reason)")
    case .refused(_, let errno): self.init(errno: errno, about: change)
    }
  }

  private init(errno: Int32, about change: Change?) {
    switch (errno, change) {
    case (EPERM, _), (EACCES, _):
      self = .unavailable("no permission to steer the kernel's IPVS: be root, or have CAP_NET_ADMIN (try sudo)")
    case (ENOMEM, _): self = .full("the kernel has no memory left for it")
    case (EEXIST, .addService(let service, _)): self = .serviceExists(service.key)
    case (EEXIST, .addServer(let server, let key)): self = .serverExists(server.endpoint, key)
    case (ENOENT, .addService(let service, _)), (ENOENT, .updateService(let service)):
      self = Self.missing(service)
    case (ENOENT, .updateServer(let server, let key)): self = .noSuchServer(server.endpoint, key)
    case (ENOENT, .removeServer(let endpoint, let key)): self = .noSuchServer(endpoint, key)
    case (ESRCH, .some(let change)):
      self = change.service.map { .noSuchService($0) } ?? .unavailable("the kernel's IPVS refused: no such service")
    case (ERANGE, _): self = .outOfRange("the kernel takes no such value: the weight or a threshold is out of range")
    case (EAFNOSUPPORT, _): self = .notSupported("this kernel's IPVS does not know the address family")
    case (EINVAL, _):
      self = .invalid("the kernel's IPVS does not take this: is an address not unicast, or an option it does not know?")
    default: self = .unavailable("the kernel's IPVS refused: \(unsafe String(cString: strerror(errno)))")
    }
  }

  /// The kernel says the same for a scheduler and for an engine that it does not have.
  private static func missing(_ service: VirtualService) -> PlaneError {
    if let engine = service.persistenceEngine {
      return .notSupported(
        "this kernel has no persistence engine '\(engine)' or no scheduler '\(service.scheduler.rawValue)' "
          + "(modprobe ip_vs_pe_\(engine) ip_vs_\(service.scheduler.rawValue))")
    }
    guard service.scheduler.isKnown else { return .unknownScheduler(service.scheduler.rawValue) }
    return .notSupported(
      "this kernel has no scheduler '\(service.scheduler.rawValue)' (modprobe ip_vs_\(service.scheduler.rawValue))")
  }
}

extension SchedulerName {
  fileprivate var isKnown: Bool { Self.all.contains(self) }
}
