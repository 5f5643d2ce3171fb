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

  /// - Parameters:
  ///   - slots: how many frames the kernel can keep while the worker is busy; a power of two.
  ///   - mtu: the largest ordinary packet; larger ones take the way beside the ring.
  init(_ socket: consuming PacketSocket, slots: Int, mtu: Int) throws(SystemError) {
    var slotSize = 2048
    while slotSize < mtu + 256 { slotSize *= 2 }
    let ring = try socket.makeRing(slots: slots, slotSize: slotSize, reserve: 16)
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
    for index in 0..<count { unsafe Self.status(slot(index)).pointee.store(Status.kernel, ordering: .releasing) }
    head = (head &+ count) & (slots &- 1)
    count = 0
    return Losses(refused: refused)
  }

  func copy(_ index: Int) -> KeptFrame {
    precondition(index < count)
    let (start, length) = unsafe (loans[index].start - Self.metadata, loans[index].length + Self.metadata)
    let octets = unsafe Array(UnsafeRawBufferPointer(start: start, count: length))
    return unsafe KeptFrame(octets: octets, header: Self.metadata, tag: loans[index].tag)
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
