import CLinux

/// Chunks of memory that the kernel may put frames into.
struct FillRing: ~Copyable {
  private let ring: XDPRing
  /// Chunks put in, of which the kernel knows the first `ring.produced`.
  private var put: UInt32 = 0

  init(_ socket: borrowing Descriptor, size: UInt32) throws(SystemError) {
    let kind = XDPRing.Kind(option: XDP_UMEM_FILL_RING, place: cl_xdp_fill_place, offsets: \.fr)
    ring = try XDPRing(kind, socket, size: size, stride: MemoryLayout<UInt64>.stride)
  }

  /// Fills it up with chunks that nobody uses, but for `reserve` of them, which are kept to transmit from.
  mutating func refill(_ memory: inout FrameMemory, reserve: Int) {
    var room = ring.size &- (put &- ring.consumed)
    guard room > 0, memory.free > reserve else { return }
    while room > 0, memory.free > reserve, let chunk = memory.take() {
      ring.store(chunk, put)
      put &+= 1
      room &-= 1
    }
    ring.produced = put
  }

  var needsWakeup: Bool { ring.needsWakeup }
}
