import LVS

/// Fragments: the first decides, the others follow it.
extension Director {
  @inline(never)
  mutating func fragment(_ frame: Bytes, _ fragment: Packet, _ vip: UInt16) -> Verdict {
    var packet = fragment
    let key = FragmentKey(packet, vip: vip)
    guard packet.fragment == .later else {
      if let verdict = packet.parseTransport(frame) {
        fragments.decide(key, nil, now)
        return verdict
      }
      return first(frame, packet, key, decide(frame, packet, vip))
    }
    guard !overlapsHeader(frame, packet) else { return .drop(.fragmentOverlap) }
    switch fragments.fate(key, now) {
    case .unknown:
      lastEarly = key
      return .park
    case .refused: return .drop(.unclaimed)
    case .server(let server):
      guard servers[server].isAvailable.load(ordering: .relaxed) else { return .drop(.deadServer) }
      counters.packet(server: server, service: servers[server].service, bytes: packet.length)
      return forward(frame, packet, server)
    }
  }

  /// Keeps the fragment that was last told to park; whether there was room.
  mutating func park(_ frame: KeptFrame) -> Bool { fragments.wait(lastEarly, frame, now) }

  /// Takes note of where the first fragment goes.
  private mutating func first(_ frame: Bytes, _ packet: Packet, _ key: FragmentKey, _ verdict: Verdict) -> Verdict {
    switch verdict {
    case .transmit, .hold, .cut: fragments.decide(key, lastServer, now)
    default: fragments.decide(key, nil, now)
    }
    return verdict
  }

  /// A TCP fragment that begins within the header could change what the first one said (RFC 1858).
  private func overlapsHeader(_ frame: Bytes, _ packet: Packet) -> Bool {
    guard packet.transport == TCP.number, packet.family == .v4 else { return false }
    return Int(frame.u16(packet.ip + IPv4.fragment) & IPv4.fragmentOffset) * 8 < TCP.length
  }
}
