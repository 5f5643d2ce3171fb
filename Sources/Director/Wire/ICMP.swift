/// ICMP (RFC 792) and ICMPv6 (RFC 4443): type, code, checksum, and four bytes that depend on the type.
enum ICMP {
  static let number: UInt8 = 1
  static let numberV6: UInt8 = 58
  static let length = 8
  static let code = 1
  static let checksum = 2
  static let rest = 4

  static let echoReply: UInt8 = 0
  static let unreachable: UInt8 = 3
  static let sourceQuench: UInt8 = 4
  static let echoRequest: UInt8 = 8
  static let timeExceeded: UInt8 = 11

  static let echoRequestV6: UInt8 = 128
  static let echoReplyV6: UInt8 = 129

  /// Whether IPVS carries an error of this type to the real server of the flow that it is about.
  @inline(__always)
  static func isForwardedError(_ type: UInt8) -> Bool {
    type == unreachable || type == sourceQuench || type == timeExceeded
  }
}
