import CLinux
import Glibc
import LVS

/// A UDP socket that sends to a multicast group out of one interface, or takes what comes to it there. Never blocks.
final class SyncSocket: Sendable {
  /// An end of a datagram's way.
  struct End: Hashable, Sendable {
    var address: [UInt8]
    var port: UInt16

    fileprivate init(_ source: cl_source) {
      let count = source.family == AF_INET6 ? 16 : 4
      address = unsafe withUnsafeBytes(of: source.address) { unsafe Array($0.prefix(count)) }
      port = source.port
    }
  }

  /// `IPVS_SYNC_PORTS_MAX`.
  static let mostPorts = 64

  /// What a daemon's sockets are made by. They are made anew where that is another than it was: the interface may be
  /// another one by the same name.
  struct Plan: Hashable {
    /// The interface's number; 0 where there is none of the name.
    private var index: UInt32
    private var ports: UInt32
    private var room: UInt32

    init(_ daemon: SyncDaemon, _ settings: Settings) {
      index = unsafe if_nametoindex(daemon.interface)
      (ports, room) = (settings.syncPorts, settings.syncSocketSize)
    }

    /// One for each port (`sync_ports`), in their order.
    func open(_ daemon: SyncDaemon) throws(SystemError) -> [SyncSocket] {
      var sockets: [SyncSocket] = []
      for port in 0..<UInt16(ports) { sockets.append(try SyncSocket(daemon, daemon.firstPort &+ port, index, room)) }
      return sockets
    }
  }

  /// What the system does with a datagram.
  enum Sending {
    case taken, full, refused
  }

  let descriptor: Descriptor

  /// - Parameter room: bytes of datagrams that the socket holds (`sync_sock_size`); 0 for what it has by itself.
  private init(_ daemon: SyncDaemon, _ port: UInt16, _ index: UInt32, _ room: UInt32) throws(SystemError) {
    let group = daemon.group ?? SyncDaemon.standardGroup
    let family = group.family == .v4 ? AF_INET : AF_INET6
    let call = "multicast to \(group) on \(daemon.interface)"
    guard index != 0 else { throw SystemError(call, code: ENODEV) }
    let number =
      switch daemon.role {
      case .master: unsafe cl_multicast_sender(family, group.bytes, port, index, Int32(max(daemon.ttl, 1)))
      case .backup: unsafe cl_multicast_receiver(family, group.bytes, port, daemon.interface)
      }
    guard number >= 0 else { throw SystemError(call, code: -number) }
    descriptor = try Descriptor(number, call: call)
    guard room > 0 else { return }
    let kind = daemon.role == .master ? SO_SNDBUF : SO_RCVBUF
    try Descriptor.set(number, SOL_SOCKET, kind, Int32(clamping: room), call: call)
  }

  /// Where its datagrams come from; nil where that cannot be told.
  var end: End? {
    var end = cl_source()
    return unsafe cl_local_end(descriptor.number, &end) == 0 ? End(end) : nil
  }

  func send(_ datagram: [UInt8]) -> Sending {
    if unsafe Glibc.send(descriptor.number, datagram, datagram.count, 0) == datagram.count { return .taken }
    return errno == EAGAIN || errno == ENOBUFS ? .full : .refused
  }

  /// The next datagram that waits, which is put at the front of `bytes`, and who sent it; nil where there is none.
  func receive(_ bytes: inout [UInt8]) -> (length: Int, from: End)? {
    var source = cl_source()
    let count = unsafe bytes.withUnsafeMutableBytes { bytes in
      unsafe cl_receive_from(descriptor.number, bytes.baseAddress!, bytes.count, &source)
    }
    return count >= 0 ? (count, End(source)) : nil
  }
}
