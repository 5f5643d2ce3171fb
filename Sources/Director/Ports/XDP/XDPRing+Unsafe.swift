import CLinux
import Glibc
import Synchronization

/// One of the rings that an AF_XDP socket shares with the kernel: a mapping with two counters that only grow, one of
/// them ours, and a power of two of entries. One side produces, the other consumes; neither ever waits for the other.
@safe struct XDPRing: ~Copyable {
  /// What the kernel needs to know of a ring: the option that makes it, and where it is mapped.
  struct Kind {
    let option: Int32
    let place: off_t
    let offsets: KeyPath<xdp_mmap_offsets, xdp_ring_offset>
  }

  private let memory: Mapping
  private let producer: UnsafeMutablePointer<Atomic<UInt32>>
  private let consumer: UnsafeMutablePointer<Atomic<UInt32>>
  private let flags: UnsafeMutablePointer<Atomic<UInt32>>
  private let entries: UnsafeMutableRawPointer
  /// Entries it holds.
  let size: UInt32

  init(_ kind: Kind, _ socket: borrowing Descriptor, size: UInt32, stride: Int) throws(SystemError) {
    try socket.set(SOL_XDP, kind.option, size, call: "AF_XDP ring")
    var all = xdp_mmap_offsets()
    var length = socklen_t(MemoryLayout<xdp_mmap_offsets>.size)
    guard unsafe getsockopt(socket.number, SOL_XDP, XDP_MMAP_OFFSETS, &all, &length) == 0 else {
      throw SystemError("XDP_MMAP_OFFSETS")
    }
    let offsets = all[keyPath: kind.offsets]
    let memory = try Mapping(
      descriptor: socket.number, size: Int(offsets.desc) + Int(size) * stride, place: kind.place)
    func counter(_ offset: UInt64) -> UnsafeMutablePointer<Atomic<UInt32>> {
      unsafe (memory.base + Int(offset)).assumingMemoryBound(to: Atomic<UInt32>.self)
    }
    unsafe producer = counter(offsets.producer)
    unsafe consumer = counter(offsets.consumer)
    unsafe flags = counter(offsets.flags)
    unsafe entries = memory.base + Int(offsets.desc)
    self.memory = memory
    self.size = size
  }

  /// Whether the kernel has to be told that there is something in it.
  @inline(__always)
  var needsWakeup: Bool { unsafe flags.pointee.load(ordering: .relaxed) & UInt32(XDP_RING_NEED_WAKEUP) != 0 }

  @inline(__always)
  var produced: UInt32 {
    get { unsafe producer.pointee.load(ordering: .acquiring) }
    nonmutating set { unsafe producer.pointee.store(newValue, ordering: .releasing) }
  }

  @inline(__always)
  var consumed: UInt32 {
    get { unsafe consumer.pointee.load(ordering: .acquiring) }
    nonmutating set { unsafe consumer.pointee.store(newValue, ordering: .releasing) }
  }

  /// Entry number `index`, which the caller says is its own now.
  @inline(__always)
  func load<Entry: BitwiseCopyable>(_ index: UInt32, as type: Entry.Type) -> Entry {
    unsafe entries.load(fromByteOffset: Int(index & (size &- 1)) &* MemoryLayout<Entry>.stride, as: type)
  }

  @inline(__always)
  func store<Entry: BitwiseCopyable>(_ entry: Entry, _ index: UInt32) {
    unsafe entries.storeBytes(
      of: entry, toByteOffset: Int(index & (size &- 1)) &* MemoryLayout<Entry>.stride, as: Entry.self)
  }
}
