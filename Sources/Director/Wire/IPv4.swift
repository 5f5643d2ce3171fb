import LVS

/// An IPv4 header (RFC 791).
///
///      0       1       2       3
///     +-------+-------+-------+-------+
///     |ver ihl|  TOS  | total length  |
///     |      id       |flg| fragment  |
///     |  TTL  | proto | hdr checksum  |
///     |            source             |
///     |          destination          |
///     +-------------------------------+
enum IPv4 {
  static let length = 20
  static let tos = 1
  static let totalLength = 2
  static let id = 4
  static let fragment = 6
  static let ttl = 8
  static let transport = 9
  static let checksum = 10
  static let source = 12
  static let destination = 16

  static let dontFragment: UInt16 = 0x4000
  static let moreFragments: UInt16 = 0x2000
  static let fragmentOffset: UInt16 = 0x1fff

  /// Takes one hop from the TTL and mends the header checksum.
  @inline(__always)
  static func decrementTTL(_ frame: Bytes, _ ip: Int) {
    // TTL, protocol and checksum are one word of 32 bits.
    let word = frame.u32(ip &+ ttl)
    let old = UInt16(truncatingIfNeeded: word >> 16)
    let sum = Checksum.updated(UInt16(truncatingIfNeeded: word), from: old, to: old &- 0x100)
    frame.set(ip &+ ttl, UInt32(old &- 0x100) << 16 | UInt32(sum))
  }

  /// Writes a header without options at `ip`, checksum included.
  static func write(
    _ frame: Bytes, _ ip: Int, from source: IPAddress, to destination: IPAddress, transport: UInt8, payload: Int,
    tos: UInt8 = 0, id: UInt16 = 0, dontFragment: Bool = false, ttl: UInt8 = 64
  ) {
    frame.set(ip, UInt8(0x45))
    frame.set(ip + IPv4.tos, tos)
    frame.set(ip + totalLength, UInt16(truncatingIfNeeded: length + payload))
    frame.set(ip + IPv4.id, id)
    frame.set(ip + fragment, dontFragment ? IPv4.dontFragment : 0)
    frame.set(ip + IPv4.ttl, ttl)
    frame.set(ip + IPv4.transport, transport)
    frame.set(ip + checksum, UInt16(0))
    frame.set(ip + IPv4.source, source)
    frame.set(ip + IPv4.destination, destination)
    frame.set(ip + checksum, Checksum.finish(Checksum.sum(frame, ip, length)))
  }
}
