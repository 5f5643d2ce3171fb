import LVS

/// How services go on where an earlier process left them.
extension Services {
  /// Has all that an earlier process had be there under the numbers that records know it by, removed for now. Before
  /// anything else is.
  ///
  /// - Returns: says which records may be.
  func recall(_ now: UInt32) -> RecordJudge {
    numbers.recall()
    for row in shared.names.services.written {
      guard let key = shared.names.services[row].key(row), byKey[key] == nil else { continue }
      guard let vip = key.address.map({ numbers[$0] }) ?? 0 else { continue }
      while slots.count <= row { slots.append(nil) }
      make(VirtualService(key), row, vip)
      byKey[key]?.locked { $0.isRemoved = true }
    }
    freeSlots = slots.indices.reversed().filter { slots[$0] == nil }
    let servers = recallServers(now)
    for service in byKey.values { for counters in counters { counters.secure(service: service.number) } }
    for counters in counters { counters.recover() }
    return RecordJudge(Array(byKey.values), servers, numbers)
  }

  /// The servers, each in the trash of its service.
  private func recallServers(_ now: UInt32) -> [(number: ServerNumber, endpoint: Endpoint, service: ServiceNumber)] {
    let saved = shared.names.servers
    var servers: [(number: ServerNumber, endpoint: Endpoint, service: ServiceNumber)] = []
    for row in saved.written {
      guard let (endpoint, number) = saved[row].identity(row), Int(number) < slots.count,
        let service = slots[Int(number)],
        service.key.family == endpoint.address.family
      else { continue }
      let isNew = service.locked { state in
        guard state.trash[endpoint] == nil else { return false }
        state.trash[endpoint] = ServerNumber(row)
        return true
      }
      if isNew { servers.append((ServerNumber(row), endpoint, number)) }
    }
    shared.servers.recall(servers, now)
    for (number, _, _) in servers {
      for counters in counters { counters.secure(server: number) }
      shared.servers[stateOf: number].meter.resume(zero: saved[Int(number)].zero.statistics, counted(server: number))
    }
    return servers
  }

  /// Puts the configuration in force that was so when the earlier process ended: its servers are taken back, counts and
  /// all. No worker may be there yet.
  func resume(_ desired: DesiredState, link: Link, freePages: UInt64, now: UInt32) throws(PlaneError) {
    // Whatever comes into force begins a round of its own, and has that kept.
    let turns = byKey.values.map { ($0, shared.names.services[Int($0.number)].turn) }
    try stage(desired, by: steps(to: desired), now: now, isResuming: true)
    publish(link: link, freePages: freePages)
    for (service, turn) in turns {
      let counted = counted(service: service.number)
      service.locked { $0.resume(turn, counted) }
    }
    totalMeter.resume(zero: shared.names.figure.zero.statistics, countedInTotal)
  }

  /// Adds servers in the order in which schedulers had them, which may be another one than the configuration's.
  private func steps(to desired: DesiredState) -> [Change] {
    desired.services.flatMap { definition in
      let key = definition.service.key
      let trash = byKey[key]?.locked { $0.trash } ?? [:]
      let places = definition.servers.map { server in
        trash[server.endpoint].map { shared.names.servers[Int($0)].position } ?? -1
      }
      let isWhole = Set(places) == Set(0..<Int32(places.count))
      let servers = isWhole ? zip(definition.servers, places).sorted { $0.1 > $1.1 }.map(\.0) : definition.servers
      return [Change.addService(definition.service, force: false)] + servers.map { Change.addServer($0, to: key) }
    }
  }
}
