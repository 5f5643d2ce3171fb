import LVS
import Sync

/// Tells a backup of connections that somebody knows, once: what `lbctl migrate` has for a kernel.
public struct SyncTeller: Sendable {
  private static let length = 1_472
  /// Datagrams in a row, after which the backup gets time.
  private static let burst = 16

  private let daemon: SyncDaemon
  private let socket: SyncSocket

  /// - Parameter daemon: a master, which says where to and as whom.
  public init(_ daemon: SyncDaemon) throws(PlaneError) {
    self.daemon = daemon
    do throws(SystemError) { socket = try SyncSocket.Plan(daemon, Settings()).open(daemon)[0] } catch {
      throw .unavailable("cannot tell the kernel of connections: \(error)")
    }
  }

  /// What the system does not take is lost, as a datagram may be: whether it arrived is for the caller to see.
  public func tell(_ flows: [FlowRecord]) async throws {
    var packer = SyncPacker(id: UInt8(truncatingIfNeeded: daemon.syncID), limit: Self.length)
    var datagrams = flows.compactMap { packer.add($0, now: 0) }
    if let last = packer.finish(now: 0) { datagrams.append(last) }
    for (index, datagram) in datagrams.enumerated() {
      _ = socket.send(datagram)
      if index % Self.burst == Self.burst - 1 { try await Task.sleep(for: .milliseconds(2)) }
    }
  }
}
