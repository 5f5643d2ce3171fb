/// An SCTP common header (RFC 9260) and its first chunk's header: type, flags, length.
///
///      0       1       2       3
///     +-------+-------+-------+-------+
///     |  source port  |   dest port   |
///     |       verification tag        |
///     |           checksum            |
///     | type  | flags | chunk length  |
///     +-------------------------------+
enum SCTP {
  static let number: UInt8 = 132
  static let length = 12
  static let checksum = 8
  static let chunkHeader = 4

  static let initiate: UInt8 = 1
  static let abort: UInt8 = 6

  /// Whether a packet of `length` bytes agrees with its checksum, of which the first byte is the lowest (RFC 9260,
  /// appendix A).
  static func isIntact(_ frame: Bytes, _ sctp: Int, _ length: Int) -> Bool {
    let found = frame.u32(sctp + checksum)
    frame.set(sctp + checksum, UInt32(0))
    defer { frame.set(sctp + checksum, found) }
    return CRC32C.of(frame, sctp, length).byteSwapped == found
  }
}
