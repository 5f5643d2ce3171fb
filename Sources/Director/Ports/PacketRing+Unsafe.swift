import CLinux
import Glibc
import LVS
import Synchronization

/// The memory-mapped receive ring of a packet socket (TPACKET_V2), lent a batch at a time, and the way out.
///
/// A slot, as the kernel fills it:
///
///     status, lengths, offsets, VLAN tag (32) | sockaddr_ll (20) | reserve | metadata (10) | frame …
///
/// The metadata (`virtio_net_hdr`) lies right before the frame, so both go out again in one piece. A frame larger than
/// its slot is queued whole beside the ring and is fetched with a call of its own: only super-frames are, for which
/// the copying costs more than the call.
///
/// In the first slot's reserve stands how far the ring has been read (`Mark`): whoever takes the socket over goes on there.
@safe struct PacketRing: Port, ~Copyable {
  static let batch = Director.batch
  /// The largest frame that a device hands over: 64 KiB and headers.
  static let largest = 68 * 1024
  private static let metadata = VirtioHeader.length
  private static let tag = 4

  private enum Status {
    static let kernel: UInt32 = 0
    static let user: UInt32 = 1
    static let copied: UInt32 = 2
    static let tagged: UInt32 = 0x10
  }

  /// A frame of the present batch.
  @safe private struct Loan {
    var start: UnsafeMutableRawPointer
    var length = 0
    var capacity = 0
    /// The 802.1Q tag that the kernel took out, where there was one.
    var tag: UInt16?
    var metadata = FrameMetadata()
  }

  /// How far the ring has been read, for the process after this one.
  private struct Mark {
    /// In the reserve, where neither the kernel nor a tag that is put back ever writes.
    static let place = 56

    /// The first slot that was not read yet.
    var head: Int
    /// Slots before it that are about to be given back: their frames have gone out.
    var returning = 0
    /// Whether frames beside the ring have been fetched for slots from `head` on.
    var isTorn = false

    init(head: Int) { self.head = head }

    init(_ word: UInt64) {
      head = Int(word & 0xffff_ffff)
      (returning, isTorn) = (Int(word >> 32 & 0xffff), word >> 48 & 1 != 0)
    }

    var word: UInt64 {
      UInt64(head) | UInt64(returning) << 32 | (isTorn ? 1 << 48 : 0)
    }
  }

  let socket: PacketSocket
  private let ring: Mapping
  private let large: Mapping
  private let slots: Int
  private let slotSize: Int
  private var head = 0
  /// The slots of the present batch begin at `head`; this many are lent.
  private(set) var count = 0
  private let loans: UnsafeMutablePointer<Loan>
  private let outgoing: OpaquePointer
  private var queued = 0
  private var largeUsed = 0

  /// The size of a slot that an ordinary packet fits into.
  static func slotSize(mtu: Int) -> Int {
    var slotSize = 2048
    while slotSize < mtu + 256 { slotSize *= 2 }
    return slotSize
  }

  /// - Parameters:
  ///   - slots: how many frames the kernel can keep while the worker is busy; a power of two.
  ///   - mtu: the largest ordinary packet; larger ones take the way beside the ring.
  ///   - isStored: whether the socket was an earlier process's, and has such a ring; `goOn` has to follow.
  /// - Throws: where it has none.
  init(_ socket: consuming PacketSocket, slots: Int, mtu: Int, isStored: Bool = false) throws(SystemError) {
    let slotSize = Self.slotSize(mtu: mtu)
    let ring =
      isStored
      ? try Mapping(descriptor: socket.descriptor.number, size: slots * slotSize)
      : try socket.makeRing(slots: slots, slotSize: slotSize)
    let large = try Mapping(size: Self.batch * Self.largest)
    guard let batch = unsafe cl_batch_create() else { throw SystemError("memory for a batch", code: ENOMEM) }
    unsafe outgoing = batch
    unsafe loans = .allocate(capacity: Self.batch)
    unsafe loans.initialize(repeating: Loan(start: ring.base), count: Self.batch)
    self.socket = socket
    self.ring = ring
    self.large = large
    (self.slots, self.slotSize) = (slots, slotSize)
  }

  deinit {
    unsafe loans.deallocate()
    unsafe free(UnsafeMutableRawPointer(outgoing))
  }

  private func slot(_ index: Int) -> UnsafeMutableRawPointer {
    unsafe ring.base + ((head &+ index) & (slots &- 1)) &* slotSize
  }

  private static func status(_ slot: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Atomic<UInt32>> {
    unsafe slot.assumingMemoryBound(to: Atomic<UInt32>.self)
  }

  mutating func receive() -> Int {
    count = 0
    largeUsed = 0
    while count < Self.batch {
      let slot = unsafe slot(count)
      let status = unsafe Self.status(slot).pointee.load(ordering: .acquiring)
      guard status & Status.user != 0 else { break }
      unsafe loans[count] = unsafe loan(slot, status)
      count &+= 1
    }
    return count
  }

  @inline(__always)
  private mutating func loan(_ slot: UnsafeMutableRawPointer, _ status: UInt32) -> Loan {
    let whole = unsafe Int(slot.load(fromByteOffset: 4, as: UInt32.self))
    let captured = unsafe Int(slot.load(fromByteOffset: 8, as: UInt32.self))
    let offset = unsafe Int(slot.load(fromByteOffset: 12, as: UInt16.self))
    let tag = unsafe status & Status.tagged != 0 ? slot.load(fromByteOffset: 24, as: UInt16.self) : nil
    guard whole > captured else {
      return unsafe Self.loan(slot + offset, captured, slotSize &- offset, tag)
    }
    guard status & Status.copied != 0 else { return unsafe Loan(start: slot + offset, tag: tag) }
    if largeUsed == 0 { leave(Mark(head: head), isTorn: true) }
    let place = unsafe large.base + largeUsed &* Self.largest
    largeUsed &+= 1
    // Room in front for a tag.
    let start = unsafe place + 16
    guard let length = unsafe socket.receive(into: start, Self.largest - 16), length <= Self.largest - 16,
      length > Self.metadata
    else { return unsafe Loan(start: start + Self.metadata, tag: tag) }
    return unsafe Self.loan(
      start + Self.metadata, length - Self.metadata, Self.largest - 16 - Self.metadata, tag)
  }

  @inline(__always)
  private static func loan(_ start: UnsafeMutableRawPointer, _ length: Int, _ capacity: Int, _ tag: UInt16?) -> Loan {
    let header = unsafe Bytes(start - metadata, count: metadata, capacity: metadata)
    let frame = unsafe Bytes(start, count: length, capacity: capacity)
    return unsafe Loan(
      start: start, length: length, capacity: capacity, tag: tag, metadata: VirtioHeader.metadata(header, frame))
  }

  @inline(__always)
  func frame(_ index: Int) -> Bytes {
    precondition(index < count)
    return unsafe Bytes(loans[index].start, count: loans[index].length, capacity: loans[index].capacity)
  }

  @inline(__always)
  func metadata(_ index: Int) -> FrameMetadata {
    precondition(index < count)
    return unsafe loans[index].metadata
  }

  @inline(__always)
  mutating func transmit(_ index: Int) {
    precondition(index < count)
    unsafe queue(loans[index], loans[index].length)
  }

  /// An answer has no metadata.
  mutating func answer(_ index: Int, length: Int) {
    unsafe precondition(index < count && length <= loans[index].capacity)
    let header = unsafe loans[index].start - Self.metadata
    unsafe header.initializeMemory(as: UInt8.self, repeating: 0, count: Self.metadata)
    unsafe queue(loans[index], length)
  }

  @inline(__always)
  private mutating func queue(_ loan: Loan, _ length: Int) {
    var (start, length) = unsafe (loan.start, length)
    if let tag = loan.tag {
      unsafe Self.insert(tag, &start)
      length &+= Self.tag
    }
    unsafe cl_batch_set(outgoing, Int32(queued), start - Self.metadata, length &+ Self.metadata)
    queued &+= 1
  }

  /// Puts the tag back into the frame, and moves what lies before it.
  private static func insert(_ tag: UInt16, _ start: inout UnsafeMutableRawPointer) {
    let old = unsafe start - metadata
    unsafe (old - Self.tag).copyMemory(from: old, byteCount: metadata + 12)
    unsafe start -= Self.tag
    unsafe start.storeBytes(of: Ethernet.vlan.bigEndian, toByteOffset: 12, as: UInt16.self)
    unsafe start.storeBytes(of: tag.bigEndian, toByteOffset: 14, as: UInt16.self)
    unsafe VirtioHeader.shift(Bytes(start - metadata, count: metadata, capacity: metadata), by: UInt16(Self.tag))
  }

  mutating func flush() -> Losses {
    var (first, refused) = (0, 0)
    while first < queued {
      let sent = unsafe cl_batch_send(socket.descriptor.number, outgoing, Int32(first), Int32(queued &- first))
      if sent > 0 {
        first &+= Int(sent)
      } else if sent != -EINTR {
        refused &+= 1
        first &+= 1
      }
    }
    queued = 0
    giveBack()
    return Losses(refused: refused)
  }

  /// Gives the batch's slots to the kernel; a process that dies amid that has the next one do it.
  @inline(__always)
  private mutating func giveBack() {
    let first = head
    head = (head &+ count) & (slots &- 1)
    leave(Mark(head: head), returning: count)
    for index in 0..<count {
      let slot = unsafe ring.base + ((first &+ index) & (slots &- 1)) &* slotSize
      unsafe Self.status(slot).pointee.store(Status.kernel, ordering: .releasing)
    }
    leave(Mark(head: head))
    count = 0
  }

  private var mark: UnsafeMutablePointer<Atomic<UInt64>> {
    unsafe (ring.base + Mark.place).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  @inline(__always)
  private func leave(_ mark: Mark, returning: Int = 0, isTorn: Bool = false) {
    var mark = mark
    (mark.returning, mark.isTorn) = (returning, isTorn)
    unsafe self.mark.pointee.store(mark.word, ordering: .releasing)
  }

  // MARK: After another process

  /// Milliseconds in which a frame that the kernel is about to write has been written.
  private static let patience = 100

  /// Goes on where an earlier process was in the ring. Frames that it was at come again.
  ///
  /// - Throws: where what lies there is no such ring's.
  mutating func goOn() throws(SystemError) {
    let mark = unsafe Mark(self.mark.pointee.load(ordering: .acquiring))
    guard mark.head < slots, mark.returning <= Self.batch else { throw Self.strange }
    head = mark.head
    for index in 0..<mark.returning {
      unsafe Self.status(slot(index - mark.returning)).pointee.store(Status.kernel, ordering: .releasing)
    }
    // Which of the frames beside the ring belong to which slots is not known any more: they are lost.
    if mark.isTorn { for _ in 0..<slots { if unsafe socket.receive(into: large.base, Self.largest) == nil { break } } }
    try readOver(isTorn: mark.isTorn)
    leave(Mark(head: head))
  }

  /// Looks at what waits: frames lie one behind the other from `head` on, within their slots.
  private func readOver(isTorn: Bool) throws(SystemError) {
    for _ in 0..<Self.patience {
      let waiting = waiting
      for index in 0..<waiting {
        let slot = unsafe slot(index)
        let captured = unsafe Int(slot.load(fromByteOffset: 8, as: UInt32.self))
        let offset = unsafe Int(slot.load(fromByteOffset: 12, as: UInt16.self))
        guard offset > Mark.place + Self.metadata, offset + captured <= slotSize else { throw Self.strange }
        guard isTorn else { continue }
        let status = unsafe Self.status(slot).pointee.load(ordering: .relaxed)
        unsafe Self.status(slot).pointee.store(status & ~Status.copied, ordering: .relaxed)
      }
      // The kernel fills a gap just now, or is about to.
      guard let behind = (waiting..<slots).first(where: { isWaiting($0) }), behind > waiting, !isWaiting(waiting) else {
        return
      }
      usleep(1_000)
    }
    throw Self.strange
  }

  private static var strange: SystemError { SystemError("a ring that another process left", code: EBADMSG) }

  private func isWaiting(_ index: Int) -> Bool {
    unsafe Self.status(slot(index)).pointee.load(ordering: .acquiring) & Status.user != 0
  }

  /// Frames that wait one behind the other.
  private var waiting: Int { (0..<slots).first { !isWaiting($0) } ?? slots }

  func copy(_ index: Int) -> KeptFrame {
    precondition(index < count)
    let (start, length) = unsafe (loans[index].start - Self.metadata, loans[index].length + Self.metadata)
    let bytes = unsafe Array(UnsafeRawBufferPointer(start: start, count: length))
    return unsafe KeptFrame(bytes: bytes, header: Self.metadata, tag: loans[index].tag)
  }

  func send(_ frame: KeptFrame) -> Bool { socket.send(frame.wire) }

  /// The kernel gives each frame to its owner (`SocketFilter.fanout`).
  func handOver(_ index: Int, to worker: UInt32) { preconditionFailure("a packet ring gets its own frames only") }

  var flows: FlowTable? { nil }

  func overruns() -> UInt64 { UInt64(socket.drops()) }

  /// Frames lie one behind the other, so the last of them is found by halves.
  var fill: (waiting: Int, room: Int) {
    var (low, high) = (0, slots)
    while low < high {
      let middle = (low + high) / 2
      if unsafe Self.status(slot(middle)).pointee.load(ordering: .relaxed) & Status.user != 0 {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return (low, slots)
  }

  func wait(_ bell: Bell, milliseconds: Int32) {
    Descriptor.wait([socket.descriptor.number, bell.descriptor], milliseconds: milliseconds)
    bell.hush()
  }
}
