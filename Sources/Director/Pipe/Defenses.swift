import LVS

/// What the director does against overload: fewer new connections, and an end to those that hardly live.
extension Director {
  /// Whether the `drop_packet` defense takes this new connection, one in so many.
  mutating func isDefended() -> Bool {
    let every = settings.defense.dropsEvery
    guard every > 0 else { return false }
    guard untilDropped > 1 else {
      untilDropped = every
      return true
    }
    untilDropped -= 1
    return false
  }

  /// The `drop_entry` defense: once a second, a random thirty-second part of the table is to be looked at.
  mutating func beginDropping() {
    dropping = settings.defense.dropsEntries ? (connections.bound + 31) / 32 : 0
  }

  /// Looks at some of that part and ends connections; whether there is more of it.
  mutating func dropEntries(limit: UInt32) -> Bool {
    guard connections.count > 0 else {
      dropping = 0
      return false
    }
    let count = min(dropping, limit)
    for _ in 0..<count {
      let number = ConnectionNumber(rawValue: UInt32(random.next(through: UInt64(connections.bound) - 1)))
      if connections.isLive(number), isIdle(number) { end(number, forced: true) }
    }
    dropping -= count
    return dropping > 0
  }

  /// Has memory given back where most connections are gone; some at a time, whether there is more.
  mutating func shrink(limit: Int) -> Bool {
    if isShrinking { isShrinking = connections.shrink(limit: limit) }
    return isShrinking
  }

  /// Half-open ones always; established ones and datagrams that were quiet for a minute, the fewer packets they had
  /// the likelier (`todrop_entry`).
  private mutating func isIdle(_ number: ConnectionNumber) -> Bool {
    let connection = connections[number]
    guard let state = ConnectionState(rawValue: connection.state) else { return false }
    switch state {
    case .synRecv, .synAck: return true
    case .established, .udp, .sctpEstablished: break
    default: return false
    }
    let left = connection.expires &- now
    guard left &+ 60 * ticksPerSecond <= timeout(state), (1...8).contains(connection.packets) else { return false }
    return random.next(through: UInt64(connection.packets) - 1) == 0
  }

  /// Ends the connections of removed servers, then their templates, some at a time; whether there is more to search.
  mutating func sweep(limit: UInt32) -> Bool {
    let asked = shared.publication.flushes
    if asked != flushes { (flushes, sweeping) = (asked, 1) }
    guard sweeping != 0 else {
      if sweepingTemplates != 0 {
        sweepingTemplates = shared.persistence.sweep(from: sweepingTemplates, limit: limit)
      }
      return sweepingTemplates != 0
    }
    var dead: [ConnectionNumber] = []
    let servers = shared.servers
    sweeping = connections.visit(from: sweeping, limit: limit) { number, connection in
      if !servers[connection.server].isAvailable.load(ordering: .relaxed) { dead.append(number) }
    }
    for number in dead { end(number, forced: true) }
    if sweeping == 0 { sweepingTemplates = 1 }
    return true
  }
}
