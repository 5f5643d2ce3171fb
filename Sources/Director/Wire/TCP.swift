/// A TCP header (RFC 9293).
///
///      0       1       2       3
///     +-------+-------+-------+-------+
///     |  source port  |   dest port   |
///     |        sequence number        |
///     |     acknowledgment number    |
///     |off|   | flags |    window     |
///     |   checksum    |    urgent     |
///     +-------------------------------+
enum TCP {
  static let number: UInt8 = 6
  static let length = 20
  static let sequence = 4
  static let acknowledgment = 8
  static let dataOffset = 12
  static let flags = 13
  static let window = 14
  static let checksum = 16

  static let fin: UInt8 = 0x01
  static let syn: UInt8 = 0x02
  static let rst: UInt8 = 0x04
  static let ack: UInt8 = 0x10

  /// How long a header says that it is, its options included, in bytes.
  @inline(__always)
  static func headerLength(_ frame: Bytes, _ tcp: Int) -> Int { Int(frame.u8(tcp &+ dataOffset) >> 4) &* 4 }
}
