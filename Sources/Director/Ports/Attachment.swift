import Glibc
import LVS

/// How workers are connected to an interface: a port for each of them, and a say in which frames they get.
struct Attachment<P: Port & ~Copyable>: Sendable {
  /// One for each worker. They get nothing before the first `filter`.
  let ports: [PortBox<P>]
  /// Whether a frame may come to a worker that does not own its connection.
  let isUnsorted: Bool
  /// In words, where there is something to tell.
  let description: String?
  /// Has the kernel hand over frames for these VIPs and no others; `station` is the interface's now.
  let filter: @Sendable (_ vips: Set<IPAddress>, _ station: MACAddress) throws(SystemError) -> Void
}

/// A port on its way to a worker, which takes it out once.
final class PortBox<P: Port & ~Copyable>: @unchecked Sendable {
  private var port: P?

  init(_ port: consuming P) {
    self.port = consume port
  }

  func take() -> P? {
    let taken = port.take()
    return taken
  }
}

extension Attachment where P == PacketRing {
  /// Frames that the kernel can keep for each worker while that is busy.
  private static var slots: Int { 4096 }

  /// Packet sockets, in a group that shares the frames out by the client's address.
  static func packetRings(_ interface: Interface, _ options: UserspacePlane.Options) throws(PlaneError) -> Attachment {
    var (boxes, sockets) = ([PortBox<PacketRing>](), [Int32]())
    do throws(SystemError) {
      for _ in 0..<options.workers {
        let port = try open(interface, count: options.workers)
        sockets.append(port.socket.descriptor.number)
        boxes.append(PortBox(port))
      }
    } catch {
      throw .unavailable(error.description)
    }
    let (numbers, vlan, station) = (sockets, options.vlan, options.virtualMAC)
    return Attachment(ports: boxes, isUnsorted: false, description: nil) { vips, _ throws(SystemError) in
      let filter = vips.isEmpty ? .nothing : SocketFilter.balanced(vips: vips.sorted(), vlan: vlan, station: station)
      for socket in numbers { try PacketSocket.attach(filter, to: socket) }
    }
  }

  private static func open(_ interface: Interface, count: Int) throws(SystemError) -> PacketRing {
    let socket = try PacketSocket(interface: interface.index)
    try socket.enableMetadata()
    if count == 1 { try socket.ignoreOutgoing() }
    try socket.attach(.nothing)
    socket.enlargeBuffers(64 << 20)
    let port = try PacketRing(socket, slots: slots, mtu: interface.mtu)
    try port.socket.bind()
    // A group is of one interface.
    let group = UInt16(truncatingIfNeeded: UInt32(getpid()) ^ interface.index << 10)
    if count > 1 { try port.socket.join(group: group, .fanout(count: count)) }
    return port
  }
}
