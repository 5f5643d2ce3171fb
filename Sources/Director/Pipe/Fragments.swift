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
    case .unknown: return .park
    case .server(let server):
      guard servers[server].isAvailable.load(ordering: .relaxed) else { return .drop(.deadServer) }
      counters.packet(server: server, service: servers[server].service, bytes: packet.length)
      return forward(frame, packet, server)
    }
  }

  /// Keeps a fragment that is to wait for its first one; whether there was room.
  mutating func park(_ frame: KeptFrame) -> Bool {
    var fragment = frame
    let key = fragment.lend { bytes -> (FragmentKey?, length: Int) in
      var packet = Packet()
      guard packet.parseNetwork(bytes) == nil, let vip = table.vip(packet.destination),
        let piece = FragmentPiece(bytes, packet)
      else { return (nil, length: bytes.count) }
      return (FragmentKey(packet, vip: vip, id: piece.id), length: bytes.count)
    }
    return key.map { fragments.wait($0, frame, now) } ?? false
  }

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
    case .transmit(let server), .hold(let server), .cut(let server): fragments.decide(key, piece, server, now)
    default: fragments.decide(key, piece, nil, now)
    }
    return verdict
  }
}
