/// An Ethernet address: 48 bits, the first byte on the wire in the most significant place.
public struct MACAddress: Hashable, Sendable {
  public let value: UInt64

  /// Takes the low 48 bits.
  @inlinable
  public init(_ value: UInt64) {
    self.value = value & 0xffff_ffff_ffff
  }

  public static let zero = MACAddress(0)
  public static let broadcast = MACAddress(0xffff_ffff_ffff)

  /// Whether the group bit is set: multicast and broadcast.
  @inlinable public var isGroup: Bool { value >> 40 & 1 == 1 }

  /// Whether a station can have this address: neither a group nor all zeros.
  @inlinable public var isStation: Bool { !isGroup && value != 0 }
}

extension MACAddress: LosslessStringConvertible {
  /// Reads six pairs of hexadecimal digits separated by colons or hyphens.
  public init?(_ text: String) {
    let parts = text.split(omittingEmptySubsequences: false) { $0 == ":" || $0 == "-" }
    guard parts.count == 6 else { return nil }
    var value: UInt64 = 0
    for part in parts {
      guard part.utf8.count == 2, part.utf8.first != UInt8(ascii: "+"), let byte = UInt8(part, radix: 16) else {
        return nil
      }
      value = value << 8 | UInt64(byte)
    }
    self.init(value)
  }

  public var description: String {
    (0..<6).map { index in
      let byte = UInt8(truncatingIfNeeded: value >> (40 - 8 * index))
      return (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined(separator: ":")
  }
}
