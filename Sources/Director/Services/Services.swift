import LVS

/// The configured services and everything that refers to them: the control side of the data plane.
///
/// One caller at a time. Nothing here reads the wire or waits.
final class Services {
  let shared: SharedTables
  var settings = Settings()
  /// Which packets get which mark; the first that matches counts.
  var rules: [MarkRule] = []
  private(set) var generation: UInt64 = 0
  /// See `Snapshot.flushes`.
  var flushes: UInt64 = 0
  /// By number, removed ones included while connections refer to their servers.
  private var slots: [Service?] = []
  private var byKey: [ServiceKey: Service] = [:]
  /// In the order they were added.
  private(set) var order: [ServiceKey] = []
  private var vipNumbers: [IPAddress: UInt16] = [:]
  private var vipFree: [UInt16] = []
  private var vipUsed: UInt16 = 0
  private var seed: UInt64
  let counters: [Counters]
  var totalMeter = TrafficMeter()

  /// - Parameter counters: of all workers.
  init(shared: SharedTables, counters: [Counters], seed: UInt64) {
    (self.shared, self.counters, self.seed) = (shared, counters, seed)
  }

  /// The VIPs that services need, each once: their own, and those of the marks that have a service.
  var vips: Set<IPAddress> {
    Set(order.flatMap { $0.addresses(by: rules) })
  }

  /// The numbers of all real servers by address.
  var serversByAddress: [IPAddress: [UInt32]] {
    var result: [IPAddress: [UInt32]] = [:]
    for service in live {
      for server in service.locked({ state in (0..<state.list.count).map { state.list[$0].id } }) {
        result[shared.servers[server].endpoint.address, default: []].append(server)
      }
    }
    return result
  }

  var live: [Service] { order.compactMap { byKey[$0] } }

  /// Carries one change out, or throws and leaves all as it was.
  func apply(_ change: Change, now: UInt32) throws(PlaneError) {
    switch change {
    case .addService(let service, _): try add(service)
    case .updateService(let service): try update(service)
    case .removeService(let key): try remove(key, now)
    case .addServer(let server, let key): try add(server, to: try find(key))
    case .updateServer(let server, let key): try update(server, of: try find(key))
    case .removeServer(let endpoint, let key): try remove(endpoint, from: try find(key), now)
    }
  }

  func snapshot(link: Link) -> Snapshot {
    generation += 1
    // A VIP that got no number, since all are in use, is not balanced.
    let owned = vips.compactMap { vip in (try? number(of: vip)).map { (vip, $0) } }
    return Snapshot(
      generation: generation, vips: owned, services: slots, rules: rules, settings: settings, link: link,
      flushes: flushes)
  }

  func contains(_ key: ServiceKey) -> Bool { byKey[key].map { service in !service.locked { $0.isRemoved } } ?? false }

  func find(_ key: ServiceKey) throws(PlaneError) -> Service {
    guard contains(key), let service = byKey[key] else { throw .noSuchService(key) }
    return service
  }

  private func scheduler(_ service: VirtualService) throws(PlaneError) -> any Scheduler {
    seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    let expiration = service.scheduler == .lblcr ? settings.lblcrExpiration : settings.lblcExpiration
    let made = makeScheduler(
      service.scheduler, flags: service.flags, mhTableSize: Int(settings.mhTableSize),
      cacheExpiration: expiration * ticksPerSecond, seed: seed)
    guard let scheduler = made else {
      throw .unknownScheduler(service.scheduler.rawValue)
    }
    return scheduler
  }

  /// Sets a setting, and what depends on it.
  func set(_ key: String, to value: String) throws(PlaneError) {
    let before = settings
    try settings.set(key, to: value)
    let size = settings.mhTableSize
    if size < before.mhTableSize,
      let crowded = live.first(where: { service in
        service.locked { $0.definition.scheduler == .mh && $0.list.count > size }
      })
    {
      settings = before
      throw .outOfRange("service \(crowded.key) has more servers than \(size)")
    }
    let remade: Set<SchedulerName> =
      size != before.mhTableSize
      ? [.mh]
      : before.lblcExpiration != settings.lblcExpiration
        ? [.lblc]
        : before.lblcrExpiration != settings.lblcrExpiration ? [.lblcr] : []
    for service in live { try rebind(service) { remade.contains($0.scheduler) } }
  }

  // MARK: Services

  private func add(_ definition: VirtualService) throws(PlaneError) {
    guard !contains(definition.key) else { throw .serviceExists(definition.key) }
    let scheduler = try scheduler(definition)
    if let service = byKey[definition.key] {
      service.locked { state in
        state.definition = definition
        state.isRemoved = false
        state.meter.zero(counted(service: service.number))
        for server in state.trash.values { shared.servers[server].meter.zero(counted(server: server)) }
        state.scheduler = scheduler
        state.scheduler.bind(state.list)
      }
    } else {
      try insert(definition, scheduler)
    }
    order.append(definition.key)
  }

  private func insert(_ definition: VirtualService, _ scheduler: any Scheduler) throws(PlaneError) {
    let free = slots.firstIndex { $0 == nil } ?? slots.count
    guard free < ServiceTable.capacity else {
      throw .full("\(ServiceTable.capacity) services are the most there can be")
    }
    let vip = try definition.key.address.map { address throws(PlaneError) in try number(of: address) } ?? 0
    let service = Service(ServiceState(definition, scheduler: scheduler), number: UInt32(free), vip: vip)
    service.locked { $0.meter.zero(counted(service: service.number)) }
    if free == slots.count { slots.append(service) } else { slots[free] = service }
    byKey[definition.key] = service
  }

  private func number(of address: IPAddress) throws(PlaneError) -> UInt16 {
    if let number = vipNumbers[address] { return number }
    guard let number = vipFree.popLast() ?? (vipUsed < .max ? vipUsed : nil) else {
      throw .full("\(UInt16.max) VIPs are the most there can be")
    }
    if number == vipUsed { vipUsed += 1 }
    vipNumbers[address] = number
    return number
  }

  private func update(_ definition: VirtualService) throws(PlaneError) {
    let service = try find(definition.key)
    _ = try scheduler(definition)
    let old = service.locked { state in
      defer { state.definition = definition }
      return state.definition
    }
    try rebind(service) { $0.scheduler != old.scheduler || $0.flags != old.flags }
  }

  /// Gives a service a new scheduler where its definition asks for one.
  private func rebind(_ service: Service, where isWanted: (VirtualService) -> Bool) throws(PlaneError) {
    let definition = service.locked { $0.definition }
    guard isWanted(definition) else { return }
    let prepared = try prepared(service) { _ in }
    let scheduler: any Scheduler
    if let prepared { scheduler = prepared } else { scheduler = try self.scheduler(definition) }
    service.locked { state in
      state.scheduler = scheduler
      if prepared == nil { scheduler.bind(state.list) }
    }
  }

  /// The schedulers whose tables are a function of the list alone.
  private static let hashing: Set<SchedulerName> = [.sh, .dh, .mh]

  /// A scheduler for the list as it will be after `change`, where filling its table takes long: it is built from a copy,
  /// so that new connections need not wait for it.
  func prepared(
    _ service: Service, _ change: (inout ServerList) -> Void
  ) throws(PlaneError) -> (any Scheduler)? {
    let definition = service.locked { $0.definition }
    guard Self.hashing.contains(definition.scheduler) else { return nil }
    var list = service.locked { $0.list.copy() }
    change(&list)
    let scheduler = try scheduler(definition)
    scheduler.bind(list)
    return scheduler
  }

  private func remove(_ key: ServiceKey, _ now: UInt32) throws(PlaneError) {
    let service = try find(key)
    service.locked { state in
      state.isRemoved = true
      state.scheduler = NoScheduler()
      while state.list.count > 0 { discard(at: 0, &state, now) }
    }
    order.removeAll { $0 == key }
    collect(service, now)
  }

  // MARK: Trash

  /// How long a removed server without connections is remembered.
  private static let trashPeriod = 120 * ticksPerSecond

  /// Forgets removed servers and services that nothing refers to any more. To be called about once a minute.
  func collect(_ now: UInt32) {
    for service in slots.compactMap({ $0 }) { collect(service, now) }
  }

  func collect(_ service: Service, _ now: UInt32) {
    let servers = shared.servers
    let isGone = service.locked { state in
      for (endpoint, number) in state.trash {
        if servers[number].isReferenced {
          servers[number].idleSince = now
        } else if now &- servers[number].idleSince >= Self.trashPeriod {
          state.trash[endpoint] = nil
          servers.release(number)
        }
      }
      return state.isRemoved && state.trash.isEmpty
    }
    guard isGone else { return }
    slots[Int(service.number)] = nil
    byKey[service.key] = nil
    // Connections of a mark's service may refer to any VIP.
    guard !slots.contains(where: { $0?.key.address == nil && $0 != nil }) else { return }
    let needed = Set(slots.compactMap { $0?.key.address }).union(vips)
    for (vip, number) in vipNumbers where !needed.contains(vip) {
      vipNumbers[vip] = nil
      vipFree.append(number)
    }
  }
}
