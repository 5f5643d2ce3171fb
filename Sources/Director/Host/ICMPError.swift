import LVS

/// The ICMP errors that the director makes, each from the VIP to the sender of the packet in question.
enum ICMPError {
  case portUnreachable
  case protocolUnreachable
  case hopLimitExceeded
  /// With the MTU of the way to the server.
  case packetTooBig(mtu: UInt16)

  /// How long an error may be: 576 bytes of IPv4 (RFC 1812, 4.3.2.3), 1280 of IPv6 (RFC 4443, 2.4c).
  private static func limit(_ family: IPAddress.Family) -> Int { family == .v4 ? 576 : 1280 }

  /// Type, code and the four bytes after the checksum.
  private func header(_ family: IPAddress.Family) -> (type: UInt8, code: UInt8, rest: UInt32) {
    switch (self, family) {
    case (.portUnreachable, .v4): (3, 3, 0)
    case (.portUnreachable, .v6): (1, 4, 0)
    case (.protocolUnreachable, .v4): (3, 2, 0)
    case (.protocolUnreachable, .v6): (4, 1, UInt32(IPv6.nextHeader))
    case (.hopLimitExceeded, .v4): (11, 0, 0)
    case (.hopLimitExceeded, .v6): (3, 0, 0)
    case (.packetTooBig(let mtu), .v4): (3, 4, UInt32(mtu))
    case (.packetTooBig(let mtu), .v6): (2, 0, UInt32(mtu))
    }
  }

  /// Whether it has to do with how long packets may be on the way.
  var isOfPathMTU: Bool { if case .packetTooBig = self { true } else { false } }

  /// Whether there may be an error about a packet (RFC 1122, 3.2.2): never about an ICMP error, a later fragment, or a
  /// packet that came as a broadcast.
  static func mayAnswer(_ frame: Bytes, _ packet: Packet) -> Bool {
    let isICMP = packet.transport == (packet.family == .v4 ? ICMP.number : ICMP.numberV6)
    return packet.fragment != .later && !frame.mac(Ethernet.destination).isGroup && (!isICMP || Echo.isRequest(packet))
  }

  /// Turns a packet that may be answered into the error about it, in place; nil where its memory has no room for that.
  func answer(_ frame: Bytes, _ packet: Packet, from mac: MACAddress) -> Verdict? {
    let ipLength = packet.family == .v4 ? IPv4.length : IPv6.length
    let quoted = min(packet.length, Self.limit(packet.family) - ipLength - ICMP.length)
    let icmp = packet.ip + ipLength
    let tos = packet.family == .v4 ? frame.u8(packet.ip + IPv4.tos) : 0
    guard let frame = frame.resized(to: icmp + ICMP.length + quoted) else { return nil }
    frame.move(from: packet.ip, to: icmp + ICMP.length, length: quoted)
    Ethernet.answer(frame, from: mac)
    let payload = ICMP.length + quoted
    if packet.family == .v4 {
      IPv4.write(
        frame, packet.ip, from: packet.destination, to: packet.source, transport: ICMP.number, payload: payload,
        tos: tos & 0x1e | 0xc0)
    } else {
      IPv6.write(frame, packet.ip, from: packet.destination, to: packet.source, next: ICMP.numberV6, payload: payload)
    }
    write(frame, icmp, packet, payload)
    return .answer(length: icmp + payload)
  }

  private func write(_ frame: Bytes, _ icmp: Int, _ packet: Packet, _ length: Int) {
    let (type, code, rest) = header(packet.family)
    frame.set(icmp, type)
    frame.set(icmp + ICMP.code, code)
    frame.set(icmp + ICMP.checksum, UInt16(0))
    frame.set(icmp + ICMP.rest, rest)
    let pseudo =
      packet.family == .v4
      ? 0 : Checksum.pseudoHeader(packet.destination, packet.source, transport: ICMP.numberV6, length: length)
    frame.set(icmp + ICMP.checksum, Checksum.finish(Checksum.sum(frame, icmp, length, pseudo)))
  }
}
