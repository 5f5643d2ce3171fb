/// An IPv4 or IPv6 address as a value of 128 bits.
///
/// An IPv4 address occupies the low 32 bits of `low`; `high` is then zero. All parts are in host order:
/// 192.0.2.1 has `low == 0xc0000201`.
public struct IPAddress: Hashable, Sendable, BitwiseCopyable {
  public enum Family: UInt8, Hashable, Sendable, BitwiseCopyable, CaseIterable {
    case v4 = 4
    case v6 = 6

    /// The length of an address in bits: 32 or 128.
    public var bits: UInt8 { self == .v4 ? 32 : 128 }
  }

  public let high: UInt64
  public let low: UInt64
  public let family: Family

  /// An IPv4 address from its 32 bits in host order.
  @inlinable
  public init(v4: UInt32) {
    (family, high, low) = (.v4, 0, UInt64(v4))
  }

  /// An IPv6 address from its two halves in host order.
  @inlinable
  public init(v6 high: UInt64, _ low: UInt64) {
    self.family = .v6
    self.high = high
    self.low = low
  }

  /// The 32 bits of an IPv4 address in host order; for IPv6 the last 32 bits.
  @inlinable public var v4: UInt32 { UInt32(truncatingIfNeeded: low) }

  /// The address folded to 32 bits as the kernel's hashing schedulers fold it: IPv4 as it is,
  /// IPv6 as the XOR of its four words (`ip_vs_sh_hashkey`).
  @inlinable public var folded: UInt32 {
    let both = high ^ low
    return UInt32(truncatingIfNeeded: both) ^ UInt32(truncatingIfNeeded: both >> 32)
  }

  /// Whether a host can have this address: not unspecified, multicast, broadcast nor, for IPv4, in 0/8 or 240/4.
  @inlinable public var isUnicast: Bool {
    switch family {
    case .v4: v4 >> 24 != 0 && v4 >> 28 < 14
    case .v6: !(high == 0 && low == 0) && high >> 56 != 0xff
    }
  }

  /// Whether the address is of the loopback range (127/8, ::1).
  @inlinable public var isLoopback: Bool {
    family == .v4 ? v4 >> 24 == 127 : high == 0 && low == 1
  }

  /// The address with all but its first `prefix` bits cleared.
  @inlinable
  public func masked(prefix: UInt8) -> IPAddress {
    switch family {
    case .v4:
      return IPAddress(v4: prefix == 0 ? 0 : v4 & (~0 << (32 - UInt32(min(prefix, 32)))))
    case .v6:
      let keepHigh: UInt64 = prefix == 0 ? 0 : prefix >= 64 ? ~0 : ~0 << (64 - UInt64(prefix))
      let keepLow: UInt64 = prefix <= 64 ? 0 : prefix >= 128 ? ~0 : ~0 << (128 - UInt64(prefix))
      return IPAddress(v6: high & keepHigh, low & keepLow)
    }
  }

  /// The 16 bytes of an IPv6 address, or the 4 of an IPv4 one, in network order.
  public var bytes: [UInt8] {
    let words = family == .v4 ? [UInt64(v4) << 32] : [high, low]
    let all = words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } }
    return Array(all.prefix(family == .v4 ? 4 : 16))
  }
}

extension IPAddress: Comparable {
  /// IPv4 before IPv6, then by value.
  public static func < (a: IPAddress, b: IPAddress) -> Bool {
    (a.family.rawValue, a.high, a.low) < (b.family.rawValue, b.high, b.low)
  }
}
