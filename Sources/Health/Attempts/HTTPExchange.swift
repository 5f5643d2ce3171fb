import LVS
import NIOCore

/// An HTTP request under way.
struct HTTPExchange {
  let channel: EventLoopFuture<any Channel>

  /// Closes the connection, where it is still open.
  func cancel() {
    channel.whenSuccess { $0.close(promise: nil) }
  }
}

extension CheckTarget {
  /// The Host header where none is configured: the address that is asked, with its port where that is not the scheme's.
  var host: String {
    let usual: UInt16 = check.kind.name == .https ? 443 : 80
    return port == usual ? address.bracketed : "\(address.bracketed):\(port)"
  }
}
