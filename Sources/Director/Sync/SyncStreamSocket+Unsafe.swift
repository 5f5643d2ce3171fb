import CLinux
import Glibc
import LVS

/// A TCP connection between two directors, or what listens for them, on the interface that they sync by: nobody beyond
/// it gets through, as nobody's multicast does. Never blocks; who has to wait sleeps, and gives up after a while.
final class SyncStreamSocket: Sendable {
  private static let nap = Duration.milliseconds(5)
  private static let portion = 1 << 16
  private static let flags = Int32(MSG_NOSIGNAL | MSG_DONTWAIT)

  private let descriptor: Descriptor

  private init(_ number: Int32, _ call: String) throws(SystemError) {
    guard number >= 0 else { throw SystemError(call, code: -number) }
    descriptor = try Descriptor(number, call: call)
  }

  /// Listens at the TCP port of the number that the daemon's UDP port has.
  static func listener(_ daemon: SyncDaemon) throws(SystemError) -> SyncStreamSocket {
    let family = daemon.family == .v4 ? AF_INET : AF_INET6
    let number = unsafe cl_sync_listener(family, daemon.firstPort, daemon.interface, daemon.hops)
    return try SyncStreamSocket(number, "listen for directors on \(daemon.interface)")
  }

  /// Connects to the director that datagrams come from. Whether that came about shows when something is sent.
  static func connection(to end: SyncSocket.End, _ daemon: SyncDaemon) throws(SystemError) -> SyncStreamSocket {
    let family = end.address.count == 4 ? AF_INET : AF_INET6
    let number = unsafe cl_sync_connection(family, end.address, daemon.firstPort, daemon.interface, daemon.hops)
    return try SyncStreamSocket(number, "connect to a director on \(daemon.interface)")
  }

  /// The next that connected; nil where none did.
  func accept() -> SyncStreamSocket? {
    // What went wrong is the other end's matter: it comes again.
    try? SyncStreamSocket(cl_accept(descriptor.number), "accept")
  }

  /// Returns when the system has taken all of it.
  func write(_ bytes: [UInt8], within patience: Duration) async throws(SystemError) {
    var left = bytes[...]
    try await retry(within: patience) { () -> Bool? in
      let sent = unsafe left.withUnsafeBytes { bytes in
        unsafe Glibc.send(descriptor.number, bytes.baseAddress, bytes.count, Self.flags)
      }
      left = left.dropFirst(max(sent, 0))
      return sent < 0 ? nil : left.isEmpty ? true : nil
    }
  }

  /// What has come; nothing at the end.
  func read(within patience: Duration) async throws(SystemError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Self.portion)
    let count = try await retry(within: patience) { () -> Int? in
      let count = unsafe recv(descriptor.number, &bytes, Self.portion, Self.flags)
      return count < 0 ? nil : count
    }
    return Array(bytes.prefix(count))
  }

  /// Calls `attempt` until it has an answer, as long as its error is that it would have to wait.
  @discardableResult
  private func retry<Answer>(
    within patience: Duration, _ attempt: () -> Answer?
  ) async throws(SystemError) -> Answer {
    let end = ContinuousClock.now + patience
    while true {
      errno = 0
      if let answer = attempt() { return answer }
      guard [0, EAGAIN, EINTR].contains(errno) else { throw SystemError("sync stream") }
      guard ContinuousClock.now < end, !Task.isCancelled else { throw SystemError("sync stream", code: ETIMEDOUT) }
      // Canceled shows in the next round.
      try? await Task.sleep(for: Self.nap)
    }
  }
}

extension SyncDaemon {
  var family: IPAddress.Family { (group ?? Self.standardGroup).family }
  var firstPort: UInt16 { port == 0 ? Self.standardPort : port }
  fileprivate var hops: Int32 { Int32(max(ttl, 1)) }
}
