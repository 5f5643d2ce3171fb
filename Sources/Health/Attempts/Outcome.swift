import Glibc
import LVS

extension Outcome {
  /// What an attempt fails with whose time is over.
  static func silence(_ milliseconds: UInt64) -> Outcome { .bad("no answer within \(milliseconds) ms") }

  /// What the failure of a call says: the server's word, the network's, or the director's own trouble.
  init(_ failure: CallFailure) {
    switch failure.code {
    case ECONNREFUSED: self = .bad("connection refused")
    case ECONNRESET, EPIPE: self = .bad("connection reset")
    case EHOSTUNREACH, EHOSTDOWN: self = .bad("host unreachable")
    case ETIMEDOUT: self = .bad("no answer")
    case ENOPROTOOPT, EOPNOTSUPP, EPROTO: self = .bad(failure.reason)
    default: self = .unclear("\(failure)")
    }
  }
}
