import CLinux

/// Chunks whose frames have been sent.
struct CompletionRing: ~Copyable {
  private let ring: XDPRing
  private var taken: UInt32 = 0

  init(_ socket: borrowing Descriptor, size: UInt32) throws(SystemError) {
    let kind = XDPRing.Kind(option: XDP_UMEM_COMPLETION_RING, place: cl_xdp_completion_place, offsets: \.cr)
    ring = try XDPRing(kind, socket, size: size, stride: MemoryLayout<UInt64>.stride)
  }

  /// Gives the chunks back.
  @inline(__always)
  mutating func reap(_ memory: inout FrameMemory) {
    let produced = ring.produced
    guard produced != taken else { return }
    while taken != produced {
      memory.give(ring.load(taken, as: UInt64.self))
      taken &+= 1
    }
    ring.consumed = taken
  }
}
