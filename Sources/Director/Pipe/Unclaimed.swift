import LVS

/// What a host for the VIP does with packets that no connection and no service wants.
extension Director {
  /// ICMP: pings are answered, errors follow the connection that they are about.
  @inline(never)
  mutating func control(_ frame: Bytes, _ packet: Packet, _ vip: UInt16) -> Verdict {
    if Echo.isRequest(packet) {
      guard packet.fragment == .none else { return .drop(.unclaimedProtocol) }
      if let damage = damage(frame, packet) { return .drop(damage) }
      return Echo.answer(frame, packet, from: link.mac)
    }
    // Neighbor discovery is answered elsewhere.
    if packet.family == .v6, NDP.Kind(rawValue: packet.kind) != nil { return .pass }
    let isError = packet.family == .v4 ? ICMP.isForwardedError(packet.kind) : packet.kind < 128
    return isError ? related(frame, packet, vip) : .drop(.unclaimedProtocol)
  }

  /// An ICMP error about a server's reply: the embedded packet went from the VIP to the client, so its connection is
  /// found with the ends exchanged, and the error goes to that connection's server as it is, a removed one too.
  private mutating func related(_ frame: Bytes, _ packet: Packet, _ vip: UInt16) -> Verdict {
    guard let embedded = packet.embedded(frame) else { return .drop(.badIcmp) }
    guard embedded.fragment != .later, embedded.source == packet.destination else { return .drop(.unclaimed) }
    let key = ConnectionKey(
      client: embedded.destination, clientPort: embedded.destinationPort, vip: vip, virtualPort: embedded.sourcePort,
      transport: embedded.transport)
    let number = connections.find(key)
    guard number != 0, !TimerWheel.reached(connections[number].expires, by: now) || isAlive(number) else {
      return settings.scheduleICMP != 0
        ? scheduleRelated(frame, packet, NewFlow(quoted: embedded, by: packet, key, vip)) : .drop(.unclaimed)
    }
    let server = connections[number].server
    connections[number].packets &+= 1
    if servers[server].isAvailable.load(ordering: .relaxed) {
      counters.packet(server: server, service: servers[server].service, bytes: packet.length)
    }
    return forward(frame, packet, server)
  }

  /// With `schedule_icmp`, an error about an unknown flow opens a connection for it, which stays in its first state.
  private mutating func scheduleRelated(_ frame: Bytes, _ packet: Packet, _ flow: NewFlow) -> Verdict {
    keepUp()
    switch schedule(flow) {
    case .server(let server): return forward(frame, packet, server)
    case .unclaimed: return .drop(.unclaimed)
    case .noServer: return .drop(.noServer)
    case .refused(let reason): return .drop(reason)
    }
  }

  /// TCP gets a reset, UDP and SCTP an error.
  mutating func unclaimed(_ frame: Bytes, _ packet: Packet) -> Verdict {
    guard packet.transport == TCP.number else { return reject(frame, packet, .portUnreachable, .unclaimed) }
    guard link.rejectsUnclaimed, packet.tcpFlags & TCP.rst == 0 else { return .drop(.unclaimed) }
    if let damage = damage(frame, packet) { return .drop(damage) }
    guard limiter.allow(now) else { return .drop(.icmpRateLimited) }
    return Reset.answer(frame, packet, from: link.mac)
  }

  /// Answers with a host's error about a packet that is for it.
  @inline(never)
  mutating func reject(_ frame: Bytes, _ packet: Packet, _ error: ICMPError, _ reason: DropReason) -> Verdict {
    guard link.rejectsUnclaimed else { return .drop(reason) }
    if let damage = damage(frame, packet) { return .drop(damage) }
    return answer(frame, packet, error, reason)
  }

  /// Answers with an error, or drops for `reason` where there must not be one. Path MTU discovery, without which large
  /// packets are lost for good, does not wait behind what strangers provoke (Linux exempts it from `icmp_ratemask`).
  @inline(never)
  mutating func answer(_ frame: Bytes, _ packet: Packet, _ error: ICMPError, _ reason: DropReason) -> Verdict {
    guard ICMPError.mayAnswer(frame, packet) else { return .drop(reason) }
    guard error.isOfPathMTU ? pathMTULimiter.allow(now) : limiter.allow(now) else { return .drop(.icmpRateLimited) }
    return error.answer(frame, packet, from: link.mac) ?? .drop(reason)
  }

  /// What is wrong with a packet, also where AF_XDP gives no sign of a checksum that is yet to be computed.
  private func damage(_ frame: Bytes, _ packet: Packet) -> DropReason? {
    if link.leavesChecksums, packet.fragment == .none { PartialChecksum.complete(frame, packet) }
    return packet.damage(frame)
  }
}

extension Packet {
  /// The packet that an ICMP error quotes, of which only the first eight bytes of the transport are there for sure.
  func embedded(_ frame: Bytes) -> Packet? {
    var quoted = Packet()
    quoted.ip = transportHeader + ICMP.length
    guard quoted.parseQuoted(frame, until: end, family) else { return nil }
    return quoted
  }

  private mutating func parseQuoted(_ frame: Bytes, until end: Int, _ family: IPAddress.Family) -> Bool {
    let length = family == .v4 ? IPv4.length : IPv6.length
    guard end - ip >= length, frame.u8(ip) >> 4 == family.rawValue else { return false }
    if family == .v4 {
      let header = Int(frame.u8(ip) & 15) * 4
      guard header >= IPv4.length, end - ip >= header + 8 else { return false }
      source = frame.address(ip + IPv4.source, .v4)
      destination = frame.address(ip + IPv4.destination, .v4)
      transport = frame.u8(ip + IPv4.transport)
      if frame.u16(ip + IPv4.fragment) & IPv4.fragmentOffset != 0 { fragment = .later }
      transportHeader = ip + header
    } else {
      source = frame.address(ip + IPv6.source, .v6)
      destination = frame.address(ip + IPv6.destination, .v6)
      transport = frame.u8(ip + IPv6.nextHeader)
      transportHeader = ip + length
      self.end = end
      if IPv6.isExtension(transport) || transport == IPv6.fragment {
        guard walkExtensions(frame) == nil else { return false }
      }
      guard fragment == .later || end - transportHeader >= 8 else { return false }
    }
    if fragment != .later {
      sourcePort = frame.u16(transportHeader)
      destinationPort = frame.u16(transportHeader + 2)
    }
    return true
  }
}
