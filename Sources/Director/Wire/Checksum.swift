import LVS

/// The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
enum Checksum {
  /// The ones' complement sum of `length` bytes from `offset`, not yet folded or complemented.
  static func sum(_ bytes: Bytes, _ offset: Int, _ length: Int, _ initial: UInt64 = 0) -> UInt64 {
    var total = initial
    var position = offset
    let end = offset &+ length
    while position &+ 4 <= end {
      total &+= UInt64(bytes.u32(position))
      position &+= 4
    }
    if position &+ 2 <= end {
      total &+= UInt64(bytes.u16(position))
      position &+= 2
    }
    if position < end { total &+= UInt64(bytes.u8(position)) << 8 }
    return total
  }

  /// Folds a sum to 16 bits.
  @inline(__always)
  static func fold(_ sum: UInt64) -> UInt16 {
    var sum = (sum & 0xffff_ffff) &+ (sum >> 32)
    sum = (sum & 0xffff) &+ (sum >> 16)
    sum = (sum & 0xffff) &+ (sum >> 16)
    sum = (sum & 0xffff) &+ (sum >> 16)
    return UInt16(truncatingIfNeeded: sum)
  }

  /// The checksum field for a sum.
  @inline(__always)
  static func finish(_ sum: UInt64) -> UInt16 { ~fold(sum) }

  /// The pseudo header of TCP, UDP and ICMPv6.
  static func pseudoHeader(_ source: IPAddress, _ destination: IPAddress, transport: UInt8, length: Int) -> UInt64 {
    func words(_ address: IPAddress) -> UInt64 {
      (address.high >> 32) &+ (address.high & 0xffff_ffff) &+ (address.low >> 32) &+ (address.low & 0xffff_ffff)
    }
    return words(source) &+ words(destination) &+ UInt64(transport) &+ UInt64(length)
  }

  /// The checksum after one 16-bit word under it went from `old` to `new` (RFC 1624, equation 3).
  @inline(__always)
  static func updated(_ checksum: UInt16, from old: UInt16, to new: UInt16) -> UInt16 {
    var sum = UInt32(~checksum) &+ UInt32(~old) &+ UInt32(new)
    sum = (sum & 0xffff) &+ (sum >> 16)
    sum = (sum & 0xffff) &+ (sum >> 16)
    return ~UInt16(truncatingIfNeeded: sum)
  }
}
