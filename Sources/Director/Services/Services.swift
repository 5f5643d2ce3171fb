import LVS

/// The configured services and everything that refers to them: the control side of the data plane.
///
/// A change is staged first, beside what is in force, which takes whatever can be had in too small a number; then it is
/// published, which cannot fail, or abandoned. One caller at a time. Nothing here reads the wire or waits.
final class Services {
  let shared: SharedTables
  /// What is in force.
  private(set) var desired: DesiredState
  private(set) var settings = Settings()
  private var moment: UInt64 = 0
  /// By number, removed ones included while connections refer to their servers.
  var slots: [Service?] = []
  /// The numbers below that are not in use.
  var freeSlots: [Int] = []
  private(set) var byKey: [ServiceKey: Service] = [:]
  var numbers: VIPNumbers
  private var seed: UInt64
  let counters: [Counters]
  var totalMeter = TrafficMeter()
  private(set) var staged: StagedChange?

  /// What is ready to be published.
  struct StagedChange {
    let next: DesiredState
    let settings: Settings
    let now: UInt32
    var services: [ServiceKey: StagedService] = [:]
    /// Schedulers that take over, and whether they know their list already.
    var schedulers: [ServiceKey: (scheduler: any Scheduler, isBound: Bool)] = [:]
    /// Services that take a number of their own.
    var added: Set<ServiceKey> = []
    var numbersBefore: VIPNumbers
  }

  /// - Parameter counters: of all workers.
  init(shared: SharedTables, counters: [Counters], seed: UInt64) {
    (self.shared, self.counters, self.seed) = (shared, counters, seed)
    desired = DesiredState(.userspace)
    numbers = VIPNumbers(shared.names.vips)
  }

  /// Those that are in force, in the order they were added.
  var live: [Service] { desired.serviceKeys.compactMap { byKey[$0] } }

  func find(_ key: ServiceKey) throws(PlaneError) -> Service {
    guard desired.service(key) != nil, let service = byKey[key] else { throw .noSuchService(key) }
    return service
  }

  /// The numbers of VIPs, those of what is staged included.
  func numbered(_ vips: Set<IPAddress>) -> [IPAddress: UInt16] {
    numbers.byAddress.filter { vips.contains($0.key) }
  }

  // MARK: Staging

  /// Makes the next state ready. Nothing of it shows before it is published.
  ///
  /// - Parameters:
  ///   - steps: what leads to it from the state in force.
  ///   - now: in hundredths of a second.
  ///   - isResuming: whether it was so already, when an earlier process ended.
  func stage(
    _ next: DesiredState, by steps: [Change], now: UInt32, isResuming: Bool = false
  ) throws(PlaneError) {
    precondition(staged == nil, "one change at a time")
    staged = StagedChange(next: next, settings: Settings(next), now: now, numbersBefore: numbers)
    do throws(PlaneError) {
      for step in steps { try take(step) }
      if isResuming { for service in (staged?.services ?? [:]).values { service.resume(shared.servers.saved) } }
      for vip in next.vips { _ = try numbers.number(of: vip) }
      try prepareSchedulers()
    } catch {
      abandon()
      throw error
    }
  }

  /// Takes back what was staged.
  func abandon() {
    guard let staged else { return }
    for service in staged.services.values { for number in service.allocated { shared.servers.release(number) } }
    for key in staged.added {
      if let service = byKey[key] { forget(service) }
    }
    numbers = staged.numbersBefore
    self.staged = nil
  }

  private func take(_ step: Change) throws(PlaneError) {
    switch step {
    case .addService(let service, _): try stage(adding: service).add(service)
    case .updateService(let service): try stage(service.key).update(service)
    case .removeService(let key): try stage(key).remove()
    case .addServer(let server, let key):
      let service = try stage(key)
      try service.add(server) { allocate($0, service.service) }
    case .updateServer(let server, let key): try stage(key).update(server)
    case .removeServer(let endpoint, let key): try stage(key).remove(endpoint)
    case .setMarks, .set, .setTimeouts: break
    case .drainServer, .undrainServer, .addCheck, .removeCheck, .setFarm, .addDiscovery, .removeDiscovery:
      preconditionFailure("a plane is told what servers come to be")
    }
  }

  private func stage(_ key: ServiceKey) throws(PlaneError) -> StagedService {
    if let known = staged?.services[key] { return known }
    guard let service = byKey[key] else { throw .noSuchService(key) }
    let made = StagedService(service, shared.servers)
    staged?.services[key] = made
    return made
  }

  /// The service with its number; one that was removed has its old one while connections refer to its servers.
  private func stage(adding definition: VirtualService) throws(PlaneError) -> StagedService {
    if byKey[definition.key] == nil { try insert(definition) }
    return try stage(definition.key)
  }

  private func insert(_ definition: VirtualService) throws(PlaneError) {
    guard freeSlots.count > 0 || slots.count < ServiceTable.capacity else {
      throw .full("\(ServiceTable.capacity) services are the most there can be")
    }
    let vip = try definition.key.address.map { address throws(PlaneError) in try numbers.number(of: address) } ?? 0
    let free = freeSlots.popLast() ?? slots.count
    shared.names.services.secure(free)
    shared.names.services[free] = SavedService(definition.key, number: free)
    for counters in counters { counters.secure(service: ServiceNumber(free)) }
    if free == slots.count { slots.append(nil) }
    make(definition, free, vip)
    staged?.added.insert(definition.key)
  }

  func make(_ definition: VirtualService, _ number: Int, _ vip: UInt16) {
    let state = ServiceState(definition, scheduler: NoScheduler(), shared.names.services, number)
    let service = Service(state, number: ServiceNumber(number), vip: vip)
    slots[number] = service
    byKey[definition.key] = service
  }

  private func allocate(_ endpoint: Endpoint, _ service: Service) -> ServerNumber? {
    guard let number = shared.servers.allocate(service: service.number, endpoint: endpoint) else { return nil }
    for counters in counters { counters.secure(server: number) }
    shared.servers.zero(number, counted(server: number))
    return number
  }

  // MARK: Schedulers

  /// The schedulers whose tables are a function of the list alone. They are filled once, from the list as it will be,
  /// while new connections go by the old ones.
  private static let hashing: Set<SchedulerName> = [.sh, .dh, .mh]

  private func prepareSchedulers() throws(PlaneError) {
    guard let staged else { return }
    let remade = staged.settings.schedulersRemade(from: settings)
    for key in staged.next.serviceKeys where remade.contains(staged.next.service(key)?.service.scheduler ?? .none) {
      try stage(key).needsScheduler = true
    }
    for (key, service) in self.staged?.services ?? [:] where service.hasAnotherList {
      let definition = service.definition
      let hashes = Self.hashing.contains(definition.scheduler)
      guard service.needsScheduler || hashes else { continue }
      let scheduler = service.isRemoved ? NoScheduler() : try scheduler(definition, staged.settings)
      if hashes { scheduler.bind(service.list) }
      self.staged?.schedulers[key] = (scheduler, isBound: hashes)
    }
  }

  private func scheduler(_ service: VirtualService, _ settings: Settings) throws(PlaneError) -> any Scheduler {
    seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    let expiration = service.scheduler == .lblcr ? settings.lblcrExpiration : settings.lblcExpiration
    let made = makeScheduler(
      service.scheduler, flags: service.flags, mhTableSize: Int(settings.mhTableSize),
      cacheExpiration: expiration * ticksPerSecond, seed: seed)
    guard let scheduler = made else { throw .unknownScheduler(service.scheduler.rawValue) }
    return scheduler
  }

  // MARK: Publishing

  /// Puts what was staged in force, or where nothing was, what there is on another link or with other defenses.
  ///
  /// - Returns: the moment, which workers are to take over.
  @discardableResult
  func publish(link: Link, freePages: UInt64, isCrowded: Bool = false) -> UInt64 {
    moment += 1
    let change = staged
    staged = nil
    settings = change?.settings ?? settings
    settings.raiseDefenses(freePages: freePages, isCrowded: isCrowded)
    desired = change?.next ?? desired
    for (key, service) in change?.services ?? [:] {
      let (scheduler, isBound) = change?.schedulers[key] ?? (nil, false)
      let now = change?.now ?? 0
      service.service.locked { $0.pending = service.pending(at: moment, scheduler, isBound: isBound, now: now) }
    }
    shared.publication.publish(snapshot(link: link))
    var isFlushing = false
    for service in (change?.services ?? [:]).values {
      enter(service)
      if settings.expireNodestConn != 0, !service.removed.isEmpty { isFlushing = true }
    }
    if isFlushing { shared.publication.flush() }
    return moment
  }

  /// Whoever schedules may have come first.
  private func enter(_ staged: StagedService) {
    staged.service.locked { $0.enterPending(shared.servers) }
    if staged.isAdded { zero(staged.service) }
  }

  private func snapshot(link: Link) -> Snapshot {
    Snapshot(
      moment: moment, vips: desired.vips.compactMap { vip in numbers[vip].map { (vip, $0) } }, services: slots,
      entries: live.compactMap { service in
        desired.service(service.key).map { ServiceTable.Entry($0.service, number: service.number) }
      },
      rules: desired.marks, settings: settings, link: link)
  }

  // MARK: Trash

  /// How long a removed server without connections is remembered.
  private static let trashPeriod = 120 * ticksPerSecond

  /// Forgets removed servers and services that nothing refers to any more. To be called after a change that all workers
  /// have taken over, and about once a minute. While a change is staged, which may take something back, all stays.
  func collect(_ now: UInt32) {
    guard staged == nil else { return }
    for service in slots.compactMap({ $0 }) { collect(service, now) }
    // Connections of a mark's service may refer to any VIP.
    guard !slots.contains(where: { $0?.key.address == nil && $0 != nil }) else { return }
    numbers.keep(Set(slots.compactMap { $0?.key.address }).union(desired.vips))
  }

  private func collect(_ service: Service, _ now: UInt32) {
    let servers = shared.servers
    let isGone = service.locked { state in
      for (endpoint, number) in state.trash {
        if servers.isReferenced(number) {
          servers.setIdle(number, since: now)
        } else if now &- servers[stateOf: number].idleSince >= Self.trashPeriod {
          state.trash[endpoint] = nil
          servers.release(number)
        }
      }
      return state.isRemoved && state.trash.isEmpty
    }
    if isGone { forget(service) }
  }

  private func forget(_ service: Service) {
    shared.names.services[Int(service.number)] = SavedService()
    slots[Int(service.number)] = nil
    freeSlots.append(Int(service.number))
    byKey[service.key] = nil
  }
}
