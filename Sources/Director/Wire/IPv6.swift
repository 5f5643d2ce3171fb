import LVS

/// An IPv6 header (RFC 8200).
///
///      0       1       2       3
///     +-------+-------+-------+-------+
///     |ver|class |     flow label     |
///     | payload length| next  |  hops |
///     |          source (16)          |
///     |        destination (16)       |
///     +-------------------------------+
enum IPv6 {
  static let length = 40
  static let payloadLength = 4
  static let nextHeader = 6
  static let hopLimit = 7
  static let source = 8
  static let destination = 24

  static let fragment: UInt8 = 44

  /// How many extension headers are walked before a packet is given up.
  static let maximumExtensions = 8

  @inline(__always)
  static func decrementHopLimit(_ frame: Bytes, _ ip: Int) {
    frame.set(ip &+ hopLimit, frame.u8(ip &+ hopLimit) &- 1)
  }

  /// Whether `header` is an extension header of the usual shape: next header, length in 8-byte units less one.
  @inline(__always)
  static func isExtension(_ header: UInt8) -> Bool {
    header == 0 || header == 43 || header == 60 || header == 135 || header == 139 || header == 140
  }

  static func trafficClass(_ frame: Bytes, _ ip: Int) -> UInt8 { UInt8(truncatingIfNeeded: frame.u16(ip) >> 4) }

  static func write(
    _ frame: Bytes, _ ip: Int, from source: IPAddress, to destination: IPAddress, next: UInt8, payload: Int,
    hopLimit: UInt8 = 64, trafficClass: UInt8 = 0
  ) {
    frame.set(ip, 0x6000_0000 | UInt32(trafficClass) << 20)
    frame.set(ip + payloadLength, UInt16(truncatingIfNeeded: payload))
    frame.set(ip + nextHeader, next)
    frame.set(ip + IPv6.hopLimit, hopLimit)
    frame.set(ip + IPv6.source, source)
    frame.set(ip + IPv6.destination, destination)
  }
}
