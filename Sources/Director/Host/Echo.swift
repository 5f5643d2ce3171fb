import LVS

/// The answer to a ping of a VIP.
enum Echo {
  static func isRequest(_ packet: Packet) -> Bool {
    packet.kind == (packet.family == .v4 ? ICMP.echoRequest : ICMP.echoRequestV6)
  }

  /// Turns an echo request into its reply in place. IP options and extension headers stay behind: the message moves up to
  /// a plain IP header. Its checksum, which the caller found right, is mended.
  static func answer(_ frame: Bytes, _ packet: Packet, from mac: MACAddress) -> Verdict {
    Ethernet.answer(frame, from: mac)
    let icmp = packet.ip + (packet.family == .v4 ? IPv4.length : IPv6.length)
    let length = packet.end - packet.transportHeader
    frame.move(from: packet.transportHeader, to: icmp, length: length)
    if packet.family == .v4 {
      IPv4.write(
        frame, packet.ip, from: packet.destination, to: packet.source, transport: ICMP.number, payload: length,
        tos: frame.u8(packet.ip + IPv4.tos), id: frame.u16(packet.ip + IPv4.id))
    } else {
      IPv6.write(
        frame, packet.ip, from: packet.destination, to: packet.source, next: ICMP.numberV6, payload: length,
        trafficClass: IPv6.trafficClass(frame, packet.ip))
    }
    let old = frame.u16(icmp)
    let new = UInt16(packet.family == .v4 ? ICMP.echoReply : ICMP.echoReplyV6) << 8 | old & 0xff
    frame.set(icmp, new)
    frame.set(icmp + ICMP.checksum, Checksum.updated(frame.u16(icmp + ICMP.checksum), from: old, to: new))
    return .answer(length: icmp + length)
  }
}
