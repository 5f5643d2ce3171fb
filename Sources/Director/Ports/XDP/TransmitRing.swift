import CLinux

/// Frames that are to be sent.
struct TransmitRing: ~Copyable {
  private let ring: XDPRing
  /// Frames put in, of which the kernel knows the first `ring.produced`.
  private var put: UInt32 = 0

  init(_ socket: borrowing Descriptor, size: UInt32) throws(SystemError) {
    let kind = XDPRing.Kind(option: XDP_TX_RING, place: cl_xdp_transmit_place, offsets: \.tx)
    ring = try XDPRing(kind, socket, size: size, stride: MemoryLayout<xdp_desc>.stride)
  }

  /// Queues a frame; whether there was room.
  @inline(__always)
  mutating func put(_ address: UInt64, _ length: Int) -> Bool {
    guard put &- ring.consumed < ring.size else { return false }
    ring.store(xdp_desc(addr: address, len: UInt32(truncatingIfNeeded: length), options: 0), put)
    put &+= 1
    return true
  }

  /// Lets the kernel see what was queued.
  @inline(__always)
  func submit() { ring.produced = put }

  /// Frames that the kernel has not taken yet.
  var outstanding: Int { Int(put &- ring.consumed) }
  var needsWakeup: Bool { ring.needsWakeup }
}
