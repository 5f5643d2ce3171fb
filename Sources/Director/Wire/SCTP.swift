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
}
