import LVS

/// Fragments: the first decides, the others follow it.
extension Director {
  @inline(never)
  mutating func fragment(_ frame: Bytes, _ packet: Packet, _ vip: UInt16) -> Verdict {
    guard let piece = FragmentPiece(frame, packet) else { return .drop(.badIpLength) }
    guard !piece.isEmpty else { return .drop(.fragmentTiny) }
    let key = FragmentKey(packet, vip: vip, id: piece.id)
    switch fragments.fate(key, piece, now) {
    case .duplicate: return .drop(.fragmentDuplicate)
    case .overlaps: return .drop(.fragmentOverlap)
    case _ where packet.fragment == .first: return first(frame, packet, key, piece, vip)
    case .refused: return .drop(.unclaimed)
    case .unknown:
      lastEarly = key
      return .park
    case .server(let server):
      guard servers[server].isAvailable.load(ordering: .relaxed) else { return .drop(.deadServer) }
      counters.packet(server: server, service: servers[server].service, bytes: packet.length)
      return forward(frame, packet, server)
    }
  }

  /// Keeps the fragment that was last told to park; whether there was room.
  mutating func park(_ frame: KeptFrame) -> Bool { fragments.wait(lastEarly, frame, now) }

  /// The first fragment decides. Without all of its transport's header (RFC 1858) it decides that none goes on.
  private mutating func first(
    _ frame: Bytes, _ fragment: Packet, _ key: FragmentKey, _ piece: FragmentPiece, _ vip: UInt16
  ) -> Verdict {
    var packet = fragment
    if packet.parseTransport(frame) != nil {
      fragments.decide(key, piece, nil, now)
      return .drop(.fragmentTiny)
    }
    let verdict = decide(frame, packet, vip)
    switch verdict {
    case .transmit, .hold, .cut: fragments.decide(key, piece, lastServer, now)
    default: fragments.decide(key, piece, nil, now)
    }
    return verdict
  }
}
