import LVS

/// What the first pass over a batch found out about a frame.
struct Inspection: BitwiseCopyable {
  var packet = Packet()
  /// Of its connection's key the third word; for a packet that is not whole only the VIP's part.
  var ports: UInt64 = 0
  /// Where the connection is to be looked for.
  var bucket: UInt32 = 0
  var outcome = Outcome.open

  /// Whether the frame's way has ended already.
  enum Outcome: BitwiseCopyable {
    case open
    case pass
    case foreign(owner: UInt32)
    case drop(DropReason)
  }

  @inline(__always)
  init(_ metadata: FrameMetadata = FrameMetadata()) { packet.metadata = metadata }

  @inline(__always) var key: ConnectionKey {
    ConnectionKey(high: packet.source.high, low: packet.source.low, ports: ports)
  }
  @inline(__always) var vip: UInt16 { UInt16(truncatingIfNeeded: ports >> 48) }

  /// Whether the packet is ours, and not one of several pieces.
  @inline(__always)
  var isWhole: Bool {
    guard case .open = outcome else { return false }
    return packet.fragment == .none
  }
}
