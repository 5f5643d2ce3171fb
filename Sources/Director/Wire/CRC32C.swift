/// The checksum of SCTP (RFC 9260, appendix A): the Castagnoli polynomial, reflected, an byte at a time.
enum CRC32C {
  private static let table = (UInt32(0)..<256).map { index in
    (0..<8).reduce(index) { value, _ in value & 1 == 0 ? value >> 1 : value >> 1 ^ 0x82f6_3b78 }
  }

  static func of(_ bytes: Bytes, _ offset: Int, _ length: Int) -> UInt32 {
    let table = table
    var value = ~UInt32(0)
    for place in offset..<(offset &+ length) { value = step(value, bytes.u8(place), table) }
    return ~value
  }

  static func of(_ bytes: some Sequence<UInt8>) -> UInt32 {
    let table = table
    return ~bytes.reduce(~UInt32(0)) { step($0, $1, table) }
  }

  @inline(__always)
  private static func step(_ value: UInt32, _ byte: UInt8, _ table: [UInt32]) -> UInt32 {
    table[Int(UInt8(truncatingIfNeeded: value) ^ byte)] ^ value >> 8
  }
}
