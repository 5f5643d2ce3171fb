/// A UDP header (RFC 768): source port, destination port, length, checksum.
enum UDP {
  static let number: UInt8 = 17
  static let length = 8
  static let datagramLength = 4
  static let checksum = 6
}
