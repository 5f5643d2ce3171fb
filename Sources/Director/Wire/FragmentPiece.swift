import LVS

/// What a fragment brings of its datagram (RFC 791, 3.2; RFC 8200, 4.5), in units of eight bytes: fragments begin and,
/// but for the last, end with one.
///
///      0       1       2       3
///     +-------+-------+-------+-------+
///     | next  |   0   | offset    |0|M|    IPv6's fragment header
///     |        identification         |
///     +-------------------------------+
struct FragmentPiece: Equatable {
  /// The longest datagram, in bytes.
  private static let longest = 65_535

  /// What tells the datagram from others of the same sender.
  var id: UInt32
  var start: UInt16
  var end: UInt16
  var isLast: Bool

  init(id: UInt32 = 0, _ start: UInt16, _ end: UInt16, isLast: Bool = false) {
    (self.id, self.start, self.end, self.isLast) = (id, start, end, isLast)
  }

  /// - Returns: nil for what cannot be a part of a datagram: it would end beyond the longest or, with IPv6, amid a unit
  ///   though more is to follow. IPv4 leaves out what is behind the last whole unit then, as Linux does.
  init?(_ frame: Bytes, _ packet: Packet) {
    let header = Int(packet.fragmentHeader)
    let isV4 = packet.family == .v4
    let field = frame.u16(header + (isV4 ? IPv4.fragment : 2))
    id = isV4 ? UInt32(frame.u16(header + IPv4.id)) : frame.u32(header + 4)
    start = isV4 ? field & IPv4.fragmentOffset : field >> 3
    isLast = field & (isV4 ? IPv4.moreFragments : 1) == 0
    let length = packet.end - (isV4 ? packet.transportHeader : header + 8)
    let end = Int(start) * 8 + length
    guard end <= Self.longest, isV4 || isLast || length % 8 == 0 else { return nil }
    self.end = UInt16(isLast ? (end + 7) / 8 : end / 8)
  }

  var isEmpty: Bool { start >= end }
}
