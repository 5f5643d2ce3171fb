import CLinux

/// Frames that arrived.
struct ReceiveRing: ~Copyable {
  private let ring: XDPRing
  /// Frames taken, of which the kernel may reuse the first `ring.consumed` places.
  private var taken: UInt32 = 0

  init(_ socket: borrowing Descriptor, size: UInt32) throws(SystemError) {
    let kind = XDPRing.Kind(option: XDP_RX_RING, place: cl_xdp_receive_place, offsets: \.rx)
    ring = try XDPRing(kind, socket, size: size, stride: MemoryLayout<xdp_desc>.stride)
  }

  /// Frame number `index` of those that wait.
  @inline(__always)
  subscript(index: Int) -> xdp_desc { ring.load(taken &+ UInt32(truncatingIfNeeded: index), as: xdp_desc.self) }

  /// Takes the first frames out.
  @inline(__always)
  mutating func take(_ count: Int) {
    taken &+= UInt32(truncatingIfNeeded: count)
    ring.consumed = taken
  }

  var waiting: Int { Int(ring.produced &- taken) }
  var size: Int { Int(ring.size) }
}
