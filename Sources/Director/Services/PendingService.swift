import LVS

/// What a service becomes at a moment, all of it: it lies ready beside what the service is until then.
///
/// Who holds the service's lock when the moment has come puts it in force: a worker that is about to schedule, or the
/// control side right after it has published.
struct PendingService: ~Copyable {
  let moment: UInt64
  let definition: VirtualService
  let isRemoved: Bool
  /// Without counts: those are the servers' own.
  let list: ServerList
  /// What leads to the list, for a scheduler that goes on.
  let edits: [ListEdit]
  /// The scheduler that takes over; nil where the present one goes on.
  let scheduler: (any Scheduler)?
  /// Whether it was bound to the list already.
  let isBound: Bool
  /// What servers of the list are to be from now on.
  let settings: [(number: ServerNumber, server: RealServer)]
  /// Servers that go.
  let removed: [ServerNumber]
  /// When the change was made ready.
  let now: UInt32
}

extension ServiceState {
  /// Puts what is pending in force.
  mutating func enterPending(_ servers: ServerTable) {
    guard let next = pending.take() else { return }
    (definition, isRemoved) = (next.definition, next.isRemoved)
    for number in next.removed { discard(number, servers, next.now) }
    for (number, server) in next.settings { servers.set(server, at: number) }
    list = next.list.copy()
    for position in 0..<list.count { admit(at: position, servers) }
    if let replacement = next.scheduler {
      scheduler = replacement
      if !next.isBound { replacement.bind(list) }
    } else if !next.edits.isEmpty {
      // An edit of the service alone begins no round anew (`ip_vs_edit_service`).
      scheduler.changed(by: next.edits, list)
    }
    keepTurn()
  }

  /// A server of the list is there, with the connections that it has.
  private mutating func admit(at position: Int, _ servers: ServerTable) {
    let number = list[position].id
    if servers[stateOf: number].position < 0 { trash[servers[number].endpoint] = nil }
    servers[stateOf: number].position = Int32(truncatingIfNeeded: position)
    servers[number].isAvailable.store(true, ordering: .relaxed)
    list[position].active = servers[stateOf: number].active
    list[position].inactive = servers[stateOf: number].inactive
    list[position].isOverloaded = servers[stateOf: number].isOverloaded
    servers.saved[Int(number)].position = Int32(truncatingIfNeeded: position)
    servers.saved[Int(number)].lastWeight = list[position].lastWeight
  }

  /// Puts a server that is gone into the trash, where its connections keep it.
  private mutating func discard(_ number: ServerNumber, _ servers: ServerTable, _ now: UInt32) {
    servers[number].isAvailable.store(false, ordering: .relaxed)
    servers[stateOf: number].position = -1
    servers.setIdle(number, since: now)
    servers.saved[Int(number)].position = -1
    trash[servers[number].endpoint] = number
  }
}

extension ServerTable {
  /// Takes over what the operator set. Under the lock of the server's service.
  fileprivate func set(_ server: RealServer, at number: ServerNumber) {
    setThresholds(number, upper: server.upperThreshold, lower: server.lowerThreshold)
    self[number].isQuiesced.store(server.weight.effective == 0, ordering: .relaxed)
    if let mac = server.mac { setStation(number, mac) }
  }
}
