import LVS

/// The way of packets that have their server.
extension Director {
  /// Whether a packet that is too big must not be cut: any of IPv6, and one that says so, but for an ICMP error.
  @inline(never)
  private func mustStayWhole(_ frame: Bytes, _ packet: Packet) -> Bool {
    packet.family == .v6
      || frame.u16(packet.ip &+ IPv4.fragment) & IPv4.dontFragment != 0 && packet.transport != ICMP.number
  }

  /// Sends a packet to its server: with one hop less, and as its egress says.
  mutating func forward(_ frame: Bytes, _ packet: Packet, _ server: ServerNumber) -> Verdict {
    guard packet.ttl > 1 else { return answer(frame, packet, .hopLimitExceeded, .hopLimit) }
    let mtu = servers[server].egress.mtu(link)
    let isTooBig = packet.wireLength(frame) > mtu
    if isTooBig, mustStayWhole(frame, packet) {
      return answer(frame, packet, .packetTooBig(mtu: UInt16(clamping: mtu)), .packetTooBig)
    }
    if link.leavesChecksums, packet.fragment == .none { PartialChecksum.complete(frame, packet) }
    let verdict = send(frame, packet.family, packet.ip, server)
    return isTooBig && packet.metadata.segment == 0 ? .cut(server: server) : verdict
  }

  /// Readies a packet that fits and has hops left.
  @inline(__always)
  mutating func send(_ frame: Bytes, _ family: IPAddress.Family, _ ip: Int, _ server: ServerNumber) -> Verdict {
    if family == .v4 { IPv4.decrementTTL(frame, ip) } else { IPv6.decrementHopLimit(frame, ip) }
    let egress = servers[server].egress
    egress.write(frame, from: link)
    return egress.isResolved ? .transmit(server: server) : .hold(server: server)
  }
}
