import LVS

/// The real servers of the services: added, edited, removed into the trash and taken back from it.
extension Services {
  func add(_ server: RealServer, to service: Service) throws(PlaneError) {
    try check(server, service)
    let servers = shared.servers
    let key = service.key
    let known = service.locked { state in position(of: server.endpoint, state) != nil }
    guard !known else { throw .serverExists(server.endpoint, key) }
    let number = service.locked { $0.trash[server.endpoint] } ?? allocate(server.endpoint, service)
    guard let number else { throw .full("\(ServerTable.capacity) real servers are the most there can be") }
    let load = ServerLoad(
      id: number, weight: server.weight, lastWeight: server.weight, address: server.endpoint.address.folded,
      port: server.endpoint.port)
    let prepared = try prepared(service) { $0.insertFirst(load) }
    service.locked { state in
      state.trash[server.endpoint] = nil
      for position in 0..<state.list.count { servers[state.list[position].id].position += 1 }
      servers[number].position = 0
      set(server, number)
      servers[number].isAvailable.store(true, ordering: .relaxed)
      state.list.insertFirst(load)
      state.list[0].active = servers[number].active
      state.list[0].inactive = servers[number].inactive
      state.list[0].isOverloaded = servers[number].isOverloaded
      if let prepared { state.scheduler = prepared } else { state.scheduler.added(state.list) }
    }
  }

  private func allocate(_ endpoint: Endpoint, _ service: Service) -> UInt32? {
    guard let number = shared.servers.allocate(service: service.number, endpoint: endpoint) else { return nil }
    shared.servers[number].meter.zero(counted(server: number))
    return number
  }

  func update(_ server: RealServer, of service: Service) throws(PlaneError) {
    try check(server, service)
    let (servers, key) = (shared.servers, service.key)
    guard let at = service.locked({ state in position(of: server.endpoint, state) }) else {
      throw .noSuchServer(server.endpoint, key)
    }
    func weigh(_ load: inout ServerLoad) {
      load.weight = server.weight
      if server.weight != 0 { load.lastWeight = server.weight }
    }
    let prepared = try prepared(service) { weigh(&$0[at]) }
    service.locked { state in
      let number = state.list[at].id
      set(server, number)
      weigh(&state.list[at])
      state.list[at].isOverloaded = servers[number].isOverloaded
      if let prepared { state.scheduler = prepared } else { state.scheduler.edited(at: at, state.list) }
    }
  }

  private func set(_ server: RealServer, _ number: UInt32) {
    let servers = shared.servers
    servers[number].upper = server.upperThreshold
    servers[number].lower = server.lowerThreshold
    servers[number].updateOverload()
    servers[number].fixedMAC = server.mac
    servers[number].isQuiesced.store(server.weight == 0, ordering: .relaxed)
    if let mac = server.mac { servers[number].mac.store(mac.value, ordering: .relaxed) }
  }

  func remove(_ endpoint: Endpoint, from service: Service, _ now: UInt32) throws(PlaneError) {
    let key = service.key
    guard let at = service.locked({ state in position(of: endpoint, state) }) else {
      throw .noSuchServer(endpoint, key)
    }
    let prepared = try prepared(service) { $0.remove(at: at) }
    service.locked { state in discard(at: at, &state, now, prepared) }
    collect(service, now)
  }

  /// Takes a server off the list into the trash, where its connections keep it.
  func discard(
    at position: Int, _ state: inout ServiceState, _ now: UInt32, _ prepared: (any Scheduler)? = nil
  ) {
    let servers = shared.servers
    let number = state.list[position].id
    if settings.expireNodestConn != 0 { flushes += 1 }
    servers[number].isAvailable.store(false, ordering: .relaxed)
    servers[number].position = -1
    servers[number].idleSince = now
    state.trash[servers[number].endpoint] = number
    state.list.remove(at: position)
    for later in position..<state.list.count { servers[state.list[later].id].position -= 1 }
    if let prepared { state.scheduler = prepared } else { state.scheduler.removed(at: position, state.list) }
  }

  private func check(_ server: RealServer, _ service: Service) throws(PlaneError) {
    guard case .route = server.method else {
      throw .notSupported(
        "\(server.endpoint): this data plane forwards by direct routing (-g) only; -m and -i need the kernel's")
    }
    guard server.endpoint.address.family == service.key.family else {
      throw .invalid("\(server.endpoint) is not of the family of service \(service.key)")
    }
    guard service.locked({ $0.definition.scheduler != .mh || $0.list.count < Int(settings.mhTableSize) }) else {
      throw .full("mh has \(settings.mhTableSize) slots, one for each server at least: set mh_table_size to more")
    }
    guard server.weight >= 0 else { throw .outOfRange("weight \(server.weight) is negative") }
    guard server.lowerThreshold <= server.upperThreshold else {
      throw .outOfRange(
        "lower threshold \(server.lowerThreshold) is above the upper threshold \(server.upperThreshold)")
    }
  }

  private func position(of endpoint: Endpoint, _ state: borrowing ServiceState) -> Int? {
    (0..<state.list.count).first { shared.servers[state.list[$0].id].endpoint == endpoint }
  }
}
