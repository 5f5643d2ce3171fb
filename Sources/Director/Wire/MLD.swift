import LVS

/// A report of multicast groups joined (MLDv2, RFC 3810, 5.2): switches that snoop send a group's frames only where
/// one was heard.
///
///      Ethernet | IPv6 | hop-by-hop options (8) |
///     +-------+-------+-------+-------+
///     | 143   |   0   |   checksum    |
///     |   reserved    |   count = 1   |
///     | type=4|   0   |  sources = 0  |
///     |           group (16)          |
///     +-------------------------------+
enum MLD {
  static let report: UInt8 = 143
  /// `CHANGE_TO_EXCLUDE_MODE` without sources: every sender is welcome.
  private static let joins: UInt8 = 4
  private static let length = 28
  /// Next header ICMPv6, then the router alert that says: multicast listener discovery; padded to eight bytes.
  private static let routerAlert: UInt64 = 0x3a00_0502_0000_0100
  /// All routers that speak MLDv2, `ff02::16`.
  private static let routers = IPAddress(v6: 0xff02 << 48, 0x16)
  static let frameLength = Ethernet.length + IPv6.length + 8 + length

  /// The whole frame that says `group` is joined.
  static func frame(joining group: IPAddress, from station: MACAddress, _ source: IPAddress) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: frameLength)
    bytes.lend { frame in
      Ethernet.readdress(frame, from: station, to: routers.groupMAC)
      frame.set(Ethernet.type, Ethernet.ipv6)
      IPv6.write(frame, Ethernet.length, from: source, to: routers, next: 0, payload: 8 + length, hopLimit: 1)
      frame.set(Ethernet.length + IPv6.length, routerAlert)
      let icmp = frame.dropping(Ethernet.length + IPv6.length + 8)
      icmp.set(0, report)
      icmp.set(6, UInt16(1))
      icmp.set(8, joins)
      icmp.set(12, group)
      let pseudo = Checksum.pseudoHeader(source, routers, transport: ICMP.numberV6, length: length)
      icmp.set(ICMP.checksum, Checksum.finish(Checksum.sum(icmp, 0, length, pseudo)))
      return ((), length: frameLength)
    }
    return bytes
  }
}
