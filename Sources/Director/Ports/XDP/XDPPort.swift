import CLinux
import LVS

/// A worker's AF_XDP sockets, one for each receive queue that it serves, over memory that they share; and the frames
/// that other workers hand over.
///
/// A frame arrives in a chunk of the memory, is rewritten there, and the chunk goes out again. A tag stays in the frame
/// here: for the director it is moved out of the way, and put back before the frame goes on.
struct XDPPort: Port, ~Copyable {
  /// Chunks for each queue: a full ring of frames, and as many that wait to be filled or sent.
  private static let chunksPerQueue = 2 * Int(XDPSocket.ringSize)
  /// Chunks that are kept to transmit what did not arrive in one: frames that were kept or handed over.
  private static let reserve = 1024
  /// Frames of a batch that were handed over, at most, so that the queues get their turn.
  private static let mostHandedOver = Director.batch / 2

  private var sockets: Row<XDPSocket>
  private var memory: FrameMemory
  private let inboxes: [Inbox]
  /// The worker's own of them. Taken out of the array, it would be retained for each batch.
  private let own: Inbox
  private let worker: Int
  let flows: FlowTable?
  /// The way out of a worker without a queue.
  private let outlet: PacketSocket?
  private let loans: Buffer<XDPLoan>
  private var count = 0
  private var fromInbox = 0
  private var isHandingOver = false
  private var losses = Losses()
  /// The socket that is served first in the next batch.
  private var turn = 0

  /// The longest frame of an interface, its tag included.
  static func longestFrame(mtu: Int) -> Int { mtu + Ethernet.length + Ethernet.tagLength }

  /// - Parameters:
  ///   - queues: the receive queues that the worker serves; none for one that only gets what is handed over.
  ///   - inboxes: of all workers.
  init(
    _ interface: Interface, queues: [UInt32], mode: XDPSocket.Mode, worker: Int, inboxes: [Inbox],
    flows: FlowTable? = nil
  ) throws(SystemError) {
    var memory = try FrameMemory(
      chunks: max(queues.count, 1) * Self.chunksPerQueue, frame: Self.longestFrame(mtu: interface.mtu))
    var sockets = Row<XDPSocket>(capacity: queues.count)
    var owner: Int32?
    for queue in queues {
      var socket = try XDPSocket(memory, owner: owner)
      socket.fill.refill(&memory, reserve: Self.reserve)
      try socket.bind(interface: interface.index, queue: queue, mode, owner: owner)
      owner = owner ?? socket.descriptor.number
      sockets.append(socket)
    }
    outlet = queues.isEmpty ? try PacketSocket.outlet(of: interface.index) : nil
    loans = Buffer(repeating: XDPLoan(memory.bytes(at: 0, count: 0), from: nil), count: Director.batch)
    self.sockets = sockets
    self.memory = memory
    (self.worker, self.inboxes, own, self.flows) = (worker, inboxes, inboxes[worker], flows)
  }

  /// By queue, the sockets that the XDP program is to redirect to.
  func descriptors(_ queues: [UInt32]) -> [(queue: UInt32, socket: Int32)] {
    queues.enumerated().map { ($1, sockets[$0].descriptor.number) }
  }

  // MARK: In

  mutating func receive() -> Int {
    count = 0
    fromInbox = min(own.waiting, Self.mostHandedOver)
    for index in 0..<fromInbox { lend(own.frame(index), from: nil) }
    for step in 0..<sockets.count { receive(from: (turn &+ step) % sockets.count) }
    turn &+= 1
    return count
  }

  @inline(__always)
  private mutating func receive(from socket: Int) {
    sockets[socket].completion.reap(&memory)
    let arrived = min(sockets[socket].received.waiting, Director.batch &- count)
    for index in 0..<arrived {
      let entry = sockets[socket].received[index]
      lend(memory.bytes(at: entry.addr, count: Int(entry.len)), from: socket)
    }
    sockets[socket].received.take(arrived)
  }

  @inline(__always)
  private mutating func lend(_ frame: Bytes, from socket: Int?) {
    loans[count] = XDPLoan(frame, from: socket)
    count &+= 1
  }

  @inline(__always)
  func frame(_ index: Int) -> Bytes {
    precondition(index < count)
    return loans[index].frame
  }

  /// AF_XDP carries nothing beside the frame, and super-frames do not come through it.
  @inline(__always)
  func metadata(_ index: Int) -> FrameMetadata { FrameMetadata() }

  func copy(_ index: Int) -> KeptFrame {
    precondition(index < count)
    return KeptFrame(bytes: loans[index].frame.array, header: 0, tag: loans[index].tag)
  }

  // MARK: Out

  @inline(__always)
  mutating func transmit(_ index: Int) {
    answer(index, length: frame(index).count)
  }

  @inline(__always)
  mutating func answer(_ index: Int, length: Int) {
    precondition(index < count && length <= loans[index].frame.capacity)
    let frame = loans[index].wire(length)
    guard let socket = loans[index].socket else { return copyOut(frame) }
    if sockets[socket].outgoing.put(memory.address(of: frame), frame.count) {
      loans[index].fate = .sent
    } else {
      losses.refused &+= 1
    }
  }

  mutating func handOver(_ index: Int, to worker: UInt32) {
    precondition(index < count && Int(worker) < inboxes.count)
    loans[index].fate = .handedOver(worker)
    isHandingOver = true
  }

  mutating func send(_ frame: KeptFrame) -> Bool {
    var bytes = frame.wire
    let before = losses.refused
    bytes.lend { bytes in
      copyOut(bytes)
      return ((), length: bytes.count)
    }
    for place in 0..<sockets.count { sockets[place].kick() }
    defer { losses.refused = before }
    return losses.refused == before
  }

  /// Sends a frame that is not in the memory.
  private mutating func copyOut(_ frame: Bytes) {
    guard sockets.count > 0 else {
      if outlet?.send(frame) != true { losses.refused &+= 1 }
      return
    }
    let socket = turn % sockets.count
    guard frame.count <= memory.chunkSize, let chunk = memory.take() else {
      losses.refused &+= 1
      return
    }
    memory.bytes(at: chunk, count: frame.count).copy(from: frame)
    guard !sockets[socket].outgoing.put(chunk, frame.count) else { return }
    memory.give(chunk)
    losses.refused &+= 1
  }

  mutating func flush() -> Losses {
    if isHandingOver { deliver() }
    for place in 0..<sockets.count { sockets[place].kick() }
    for index in fromInbox..<count where loans[index].fate != .sent {
      memory.give(memory.address(of: loans[index].frame))
    }
    if fromInbox > 0 { own.release(fromInbox) }
    for place in 0..<sockets.count {
      sockets[place].completion.reap(&memory)
      sockets[place].fill.refill(&memory, reserve: Self.reserve)
      sockets[place].wake()
    }
    (count, fromInbox) = (0, 0)
    defer { losses = Losses() }
    return losses
  }

  /// Puts the frames that belong to others into their inboxes.
  @inline(never)
  private mutating func deliver() {
    isHandingOver = false
    for other in inboxes.indices where other != worker {
      let fate = XDPLoan.Fate.handedOver(UInt32(truncatingIfNeeded: other))
      var next = 0
      while next < count, loans[next].fate != fate { next += 1 }
      guard next < count else { continue }
      losses.notHandedOver += inboxes[other].put {
        while next < count, loans[next].fate != fate { next += 1 }
        guard next < count else { return nil }
        defer { next += 1 }
        return loans[next].wire(loans[next].frame.count)
      }
    }
  }

  // MARK: State

  mutating func overruns() -> UInt64 {
    var sum: UInt64 = 0
    for place in 0..<sockets.count { sum += sockets[place].overruns() }
    return sum
  }

  var fill: (waiting: Int, room: Int) {
    var fill = (waiting: 0, room: 0)
    for place in 0..<sockets.count {
      fill.waiting += sockets[place].received.waiting
      fill.room += sockets[place].received.size
    }
    return sockets.count > 0 ? fill : (own.waiting, Int(Inbox.slots))
  }

  func wait(_ bell: Bell, milliseconds: Int32) {
    if own.sleep() {
      var descriptors = [bell.descriptor]
      for place in 0..<sockets.count { descriptors.append(sockets[place].descriptor.number) }
      Descriptor.wait(descriptors, milliseconds: milliseconds)
    }
    own.awake()
    bell.hush()
  }
}

/// A frame of the present batch, and what becomes of it.
struct XDPLoan {
  enum Fate: Equatable {
    case dropped
    case sent
    case handedOver(UInt32)
  }

  /// Without its tag.
  private(set) var frame: Bytes
  private(set) var tag: UInt16?
  /// The socket that it came from; nil where it was handed over.
  let socket: Int?
  var fate = Fate.dropped

  @inline(__always)
  init(_ wire: Bytes, from socket: Int?) {
    self.socket = socket
    frame = wire
    guard wire.count >= Ethernet.length + Ethernet.tagLength, wire.u16(Ethernet.type) == Ethernet.vlan else { return }
    tag = wire.u16(Ethernet.length)
    wire.move(from: 0, to: Ethernet.tagLength, length: Ethernet.type)
    frame = wire.dropping(Ethernet.tagLength)
  }

  /// The frame as it goes out, `length` bytes without its tag.
  @inline(__always)
  func wire(_ length: Int) -> Bytes {
    guard let untagged = frame.resized(to: length) else {
      preconditionFailure("an answer fits into its frame's memory")
    }
    guard let tag else { return untagged }
    let tagged = untagged.extendedForward(Ethernet.tagLength)
    tagged.move(from: Ethernet.tagLength, to: 0, length: Ethernet.type)
    tagged.set(Ethernet.type, Ethernet.vlan)
    tagged.set(Ethernet.length, tag)
    return tagged
  }
}
