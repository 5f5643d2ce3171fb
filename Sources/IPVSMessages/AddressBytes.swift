import Glibc
import LVS

extension IPAddress.Family {
  /// `AF_INET` or `AF_INET6`.
  package var number: Int32 { self == .v4 ? AF_INET : AF_INET6 }

  package init?(number: UInt16) {
    switch Int32(number) {
    case AF_INET: self = .v4
    case AF_INET6: self = .v6
    default: return nil
    }
  }
}

extension IPAddress {
  /// The kernel's `union nf_inet_addr`: 16 bytes, of which IPv4 has the first four.
  package var union: [UInt8] { bytes + Array(repeating: 0, count: 16 - bytes.count) }

  /// nil where there are too few bytes for the family.
  package init?(union bytes: [UInt8], _ family: Family) {
    guard bytes.count >= (family == .v4 ? 4 : 16) else { return nil }
    func word(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
    self = family == .v4 ? IPAddress(v4: UInt32(word(0..<4))) : IPAddress(v6: word(0..<8), word(8..<16))
  }
}

extension Netmask {
  /// As the kernel has it: an IPv4 mask in network order, an IPv6 prefix length as a plain number.
  var number: UInt32 {
    switch self {
    case .v4(let mask): mask.bigEndian
    case .v6(let length): UInt32(length)
    }
  }

  init(number: UInt32, family: IPAddress.Family) {
    self = family == .v4 ? .v4(UInt32(bigEndian: number)) : .v6(UInt8(clamping: number))
  }
}
