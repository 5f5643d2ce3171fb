import Glibc
import LVS
import Synchronization

/// How workers are connected to an interface: a port for each of them, and a say in which frames they get.
struct Attachment<P: Port & ~Copyable>: Sendable {
  /// One for each worker. They get nothing before the first `filter`.
  let ports: [Parcel<P>]
  /// Whether a frame may come to a worker that does not own its connection.
  let isUnsorted: Bool
  /// In words, where there is something to tell.
  let description: String?
  /// The interface's name.
  let interface: String
  /// Flows that the kernel forwards by itself; nil where it does not.
  var flows: FlowTable?
  /// Whether what it forwards by itself goes out now.
  var transmits: @Sendable () -> Bool = { false }
  /// Ports for the time in which the interface can have no others; nil where new ports may be opened beside the old.
  var idle: (@Sendable (Interface) throws(SystemError) -> [Parcel<P>])?
  /// Has the kernel hand over frames for these VIPs, and no others where it can tell so many apart.
  let filter: @Sendable (OwnedVIPs) throws(SystemError) -> FilterReach
}

/// Which frames a filter lets through.
enum FilterReach: Sendable, Equatable {
  /// Those for the VIPs.
  case exact
  /// All that are for our station, for the reason that is named; the workers sort them out.
  case wide(String)
}

/// What the kernel has to know of the VIPs.
struct OwnedVIPs: Sendable {
  /// By the number that connections know them by.
  var vips: [IPAddress: UInt16]
  /// The interface's own, now.
  var station: MACAddress
  var link: Link
}

/// Another port for a worker, left there by whoever opened it.
final class Replacement<P: Port & ~Copyable>: Sendable {
  private struct State {
    var box: Parcel<P>?
    /// The worker is gone.
    var isClosed = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  func put(_ port: Parcel<P>) { state.withLock { $0.box = port } }

  /// Returns when the worker has taken the port that was put, or takes none any more.
  func taken() async {
    await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        guard state.box != nil, !state.isClosed else { return true }
        state.waiting.append(continuation)
        return false
      }
      if isOver { continuation.resume() }
    }
  }

  /// For the worker: the port that was put, once.
  func take() -> Parcel<P>? {
    let (box, waiting) = state.withLock { state in
      defer { (state.box, state.waiting) = (nil, []) }
      return (state.box, state.waiting)
    }
    for continuation in waiting { continuation.resume() }
    return box
  }

  /// The worker takes no more.
  func close() {
    state.withLock { $0.isClosed = true }
    _ = take()
  }
}

extension Attachment where P == PacketRing {
  /// Frames that the kernel can keep for each worker while that is busy.
  private static var slots: Int { 4096 }

  /// Packet sockets, in a group that shares the frames out by the client's address.
  static func packetRings(_ interface: Interface, _ options: UserspacePlane.Options) throws(PlaneError) -> Attachment {
    var (boxes, sockets) = ([Parcel<PacketRing>](), [Int32]())
    do throws(SystemError) {
      for _ in 0..<options.workers {
        let port = try open(interface, count: options.workers)
        sockets.append(port.socket.descriptor.number)
        boxes.append(Parcel(port))
      }
    } catch {
      throw .unavailable(error.description)
    }
    let (numbers, vlan, station) = (sockets, options.vlan, options.virtualMAC)
    return Attachment(ports: boxes, isUnsorted: false, description: nil, interface: interface.name) {
      owned throws(SystemError) in
      try SocketFilter.attach(for: owned.vips.keys.sorted(), vlan: vlan, station: station) {
        filter throws(SystemError) in
        for socket in numbers { try PacketSocket.attach(filter, to: socket) }
      }
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
