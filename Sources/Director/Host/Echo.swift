import LVS

/// The answer to a ping of a VIP.
enum Echo {
  static func isRequest(_ packet: Packet) -> Bool {
    packet.kind == (packet.family == .v4 ? ICMP.echoRequest : ICMP.echoRequestV6)
  }

  /// Turns an echo request into its reply in place. The checksum is mended, not computed: what was wrong stays wrong.
  static func answer(_ frame: Bytes, _ packet: Packet, from mac: MACAddress) -> Verdict {
    Ethernet.answer(frame, from: mac)
    let icmp = packet.transportHeader
    if packet.family == .v4 {
      IPv4.write(
        frame, packet.ip, from: packet.destination, to: packet.source, transport: ICMP.number,
        payload: packet.end - packet.ip - IPv4.length, tos: frame.u8(packet.ip + IPv4.tos),
        id: frame.u16(packet.ip + IPv4.id))
    } else {
      frame.set(packet.ip + IPv6.source, packet.destination)
      frame.set(packet.ip + IPv6.destination, packet.source)
      frame.set(packet.ip + IPv6.hopLimit, UInt8(64))
    }
    let old = frame.u16(icmp)
    let new = UInt16(packet.family == .v4 ? ICMP.echoReply : ICMP.echoReplyV6) << 8 | old & 0xff
    frame.set(icmp, new)
    frame.set(icmp + ICMP.checksum, Checksum.updated(frame.u16(icmp + ICMP.checksum), from: old, to: new))
    return .answer(length: packet.end)
  }
}
