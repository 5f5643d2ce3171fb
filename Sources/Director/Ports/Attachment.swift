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
  /// Has what the kernel does by itself go on for a whole lease from now.
  var extend: @Sendable () -> Void = {}
  /// Has it go on when the ports are closed, where somebody keeps it for the next process.
  var leave: @Sendable () -> Void = {}
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

  /// Packet sockets, in a group that shares the frames out by the client's address: those of an earlier process, with
  /// what came for them meanwhile, where they are there.
  static func packetRings(_ interface: Interface, _ options: DirectorOptions) throws(PlaneError) -> Attachment {
    var description: String?
    let opened: Opened
    if let taken = stored(interface, options, told: { description = $0 }) {
      opened = taken
    } else {
      opened = try available { () throws(SystemError) in try open(interface, options) }
    }
    for (worker, ring) in opened.enumerated() { options.stored?.keep(name(worker, interface, options), ring.socket) }
    let (numbers, vlan, station) = (opened.map(\.socket), options.vlan, options.virtualMAC)
    return Attachment(
      ports: opened.map(\.box), isUnsorted: false, description: description, interface: interface.name
    ) { owned throws(SystemError) in
      try SocketFilter.attach(for: owned.vips.keys.sorted(), vlan: vlan, station: station) {
        filter throws(SystemError) in
        for socket in numbers { try PacketSocket.attach(filter, to: socket) }
      }
    }
  }

  private typealias Opened = [(box: Parcel<PacketRing>, socket: Int32)]

  /// What a worker's socket is stored as: all that has to agree for it to be taken over.
  private static func name(_ worker: Int, _ interface: Interface, _ options: DirectorOptions) -> String {
    "ring-\(worker)-of-\(options.workers)-\(slots)x\(PacketRing.slotSize(mtu: interface.mtu))"
  }

  /// Ports of an earlier process's sockets; nil where they are not there, or are not what they should be.
  private static func stored(
    _ interface: Interface, _ options: DirectorOptions, told: (String) -> Void
  ) -> Opened? {
    let names = (0..<options.workers).map { name($0, interface, options) }
    let isOfGroup = options.workers > 1
    let sockets = options.stored?.take(
      names, unless: { PacketSocket.misfit($0, interface: interface.index, isOfGroup: isOfGroup) }, told: told)
    guard let sockets else { return nil }
    var opened: Opened = []
    do throws(SystemError) {
      for socket in sockets {
        var port = try PacketRing(
          PacketSocket(socket, interface: interface.index), slots: slots, mtu: interface.mtu, isStored: true)
        try port.goOn()
        opened.append((Parcel(port), socket))
      }
    } catch {
      options.stored?.giveUp(names, sockets.dropFirst(opened.count + 1))
      told("what an earlier lbd left open is not used: \(names[opened.count]): \(error)")
      return nil
    }
    told("\(interface.name): goes on with the sockets of the lbd before this one")
    return opened
  }

  private static func open(_ interface: Interface, _ options: DirectorOptions) throws(SystemError) -> Opened {
    var opened: Opened = []
    for _ in 0..<options.workers {
      let port = try open(interface, count: options.workers)
      let socket = port.socket.descriptor.number
      opened.append((Parcel(port), socket))
    }
    return opened
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
