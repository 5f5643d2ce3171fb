/// All that is wanted of a data plane, as one value: services with their servers and checks, marks, settings, timeouts.
///
/// It changes by `apply` alone, which makes every check that needs nothing but the state and what the plane can do. What
/// the outside world has a say in (who has a VIP, what the kernel takes) is the plane's to ask.
public struct DesiredState: Hashable, Sendable {
  /// Of the plane that it is wanted of.
  public let capabilities: Capabilities
  /// The rules that mark packets, in order; the first that matches a packet counts.
  public private(set) var marks: [MarkRule] = []
  public private(set) var timeouts: Timeouts
  /// By name, what is set to something else than its standard.
  public private(set) var settings: [String: String] = [:]
  /// Of a state as a plane has it: servers that get no connections now and may any time.
  public internal(set) var resting: [RealServer] = []
  /// In the order they were added.
  private var order: [ServiceKey] = []
  var byKey: [ServiceKey: ServiceDefinition] = [:]
  /// Of the services that are otherwise than was asked for, what their servers' health has made of them.
  var farms: [ServiceKey: Farm] = [:]
  /// Of the services that have an address: how many have it.
  private var addressed: [IPAddress: Int] = [:]
  /// The addresses of marks that have a service.
  private var marked: Set<IPAddress> = []
  /// How many servers have each address.
  private var serving: [IPAddress: Int] = [:]

  /// Nothing at all is wanted.
  public init(_ capabilities: Capabilities) {
    (self.capabilities, timeouts) = (capabilities, capabilities.timeouts)
  }

  /// What a plane was found to have, which nobody checks.
  public init(_ capabilities: Capabilities, found services: [ServiceDefinition]) {
    self.init(capabilities)
    for definition in services {
      byKey[definition.service.key] = definition
      order.append(definition.service.key)
      if let vip = definition.service.key.address { addressed[vip, default: 0] += 1 }
      for server in definition.servers { serving[server.endpoint.address, default: 0] += 1 }
    }
  }

  // MARK: Looking things up

  /// In the order they were added.
  public var services: [ServiceDefinition] { order.compactMap { byKey[$0] } }

  public var serviceKeys: [ServiceKey] { order }

  public func service(_ key: ServiceKey) -> ServiceDefinition? { byKey[key] }

  public func server(_ endpoint: Endpoint, of key: ServiceKey) -> RealServer? {
    byKey[key]?.servers.first { $0.endpoint == endpoint }
  }

  /// What a setting of the plane's is to be.
  public func setting(_ rule: SettingRule) -> String { settings[rule.name] ?? rule.standard }

  /// The VIPs that services need, each once: their own, and those of the marks that have a service.
  public var vips: Set<IPAddress> { marked.union(addressed.keys) }

  public func isVIP(_ address: IPAddress) -> Bool { addressed[address] != nil || marked.contains(address) }

  /// What a plane tells of its services, with what was asked for: of those that are wanted, in their order.
  public func completed(_ statuses: [ServiceStatus]) -> [ServiceStatus] {
    let byKey = Dictionary(statuses.map { ($0.service.key, $0) }, uniquingKeysWith: { first, _ in first })
    return order.compactMap { byKey[$0].flatMap(completed) }
  }

  /// The same of one service; nil where it is not wanted.
  public func completed(_ status: ServiceStatus) -> ServiceStatus? {
    guard let definition = byKey[status.service.key] else { return nil }
    var status = status
    status.service = definition.service
    let asked = Dictionary(definition.servers.map { ($0.endpoint, $0) }, uniquingKeysWith: { first, _ in first })
    for index in status.servers.indices {
      guard let server = asked[status.servers[index].server.endpoint] else { continue }
      status.servers[index].take(server)
    }
    let there = Set(status.servers.map(\.server.endpoint))
    // A server that is out for its health is still the operator's to see and to change.
    for server in definition.servers where server.weight.standing == .removed && !there.contains(server.endpoint) {
      status.servers.append(ServerStatus(server: server))
    }
    return status
  }

  // MARK: Changing

  /// Takes a change over, or throws and stays as it is.
  public mutating func apply(_ change: Change) throws(PlaneError) {
    switch change {
    case .addService(let service, _): try add(service)
    case .updateService(let service): try update(service)
    case .removeService(let key): try remove(key)
    case .addServer(let server, let key): try add(server.placed(in: key), to: key)
    case .updateServer(let server, let key): try update(server.placed(in: key), of: key)
    case .removeServer(let endpoint, let key): try remove(endpoint, from: key)
    case .drainServer(let endpoint, let key): try drain(endpoint, of: key)
    case .undrainServer(let endpoint, let key): try undrain(endpoint, of: key)
    case .addCheck(let check, let key, let server): try add(check, to: key, server)
    case .removeCheck(let type, let key, let server): try remove(type, from: key, server)
    case .setFarm(let farm, let key): try set(farm, of: key)
    case .addDiscovery(let discovery, let key): try add(discovery, to: key)
    case .removeDiscovery(let key): try removeDiscovery(from: key)
    case .setMarks(let rules): try set(rules)
    case .set(let name, let value): try set(name, to: value)
    case .setTimeouts(let timeouts): try set(timeouts)
    }
  }

  /// Wants no services any more; all else stays.
  public mutating func removeServices() {
    (order, byKey, farms, addressed, marked, serving) = ([], [:], [:], [:], [], [:])
  }

  func require(_ key: ServiceKey) throws(PlaneError) {
    guard byKey[key] != nil else { throw .noSuchService(key) }
  }

  // MARK: Services

  private mutating func add(_ service: VirtualService) throws(PlaneError) {
    try service.validate()
    guard byKey[service.key] == nil else { throw .serviceExists(service.key) }
    if let vip = service.key.address { try requireNoServer(at: vip) }
    let vips = service.key.address == nil ? service.key.addresses(by: marks) : []
    for vip in vips { try requireNoServer(at: vip) }
    byKey[service.key] = ServiceDefinition(service)
    order.append(service.key)
    if let vip = service.key.address { addressed[vip, default: 0] += 1 }
    marked.formUnion(vips)
  }

  private mutating func update(_ service: VirtualService) throws(PlaneError) {
    try service.validate()
    try require(service.key)
    try requireSlots(for: byKey[service.key]?.serverCount ?? 0, of: service.scheduler)
    byKey[service.key]?.service = service
  }

  private mutating func remove(_ key: ServiceKey) throws(PlaneError) {
    try require(key)
    let definition = byKey.removeValue(forKey: key)
    for server in (definition?.servers ?? []) + (definition?.farm.fallback ?? []) { leave(server.endpoint.address) }
    farms[key] = nil
    order.removeAll { $0 == key }
    if let vip = key.address {
      addressed[vip] = addressed[vip].flatMap { $0 > 1 ? $0 - 1 : nil }
    } else {
      marked = vips(of: marks)
    }
  }

  // MARK: Servers

  /// One that was discovered is the operator's from then on.
  mutating func add(_ server: RealServer, to key: ServiceKey) throws(PlaneError) {
    try check(server, of: key)
    if let known = self.server(server.endpoint, of: key) {
      guard known.isDiscovered else { throw .serverExists(server.endpoint, key) }
      return try update(server, of: key)
    }
    if let definition = byKey[key] {
      guard !definition.farm.fallback.contains(where: { $0.endpoint == server.endpoint }) else {
        throw .invalid("\(server.endpoint) is a fallback server of \(key): it cannot be one of its servers too")
      }
      try requireSlots(for: definition.serverCount + 1, of: definition.service.scheduler)
    }
    byKey[key]?.servers.append(server.weighing(Weight(server.weight.asked, isDrained: server.weight.isDrained)))
    serving[server.endpoint.address, default: 0] += 1
  }

  /// One that was discovered is the operator's from then on.
  private mutating func update(_ server: RealServer, of key: ServiceKey) throws(PlaneError) {
    var server = server
    server.weight.keep(self.server(server.endpoint, of: key)?.weight)
    try replace(server, of: key)
  }

  /// Puts a server in the place of the one with its endpoint, its weight as it is.
  mutating func replace(_ server: RealServer, of key: ServiceKey) throws(PlaneError) {
    try check(server, of: key)
    let place = try place(of: server.endpoint, in: key)
    byKey[key]?.servers[place] = server
  }

  private mutating func drain(_ endpoint: Endpoint, of key: ServiceKey) throws(PlaneError) {
    let place = try place(of: endpoint, in: key)
    byKey[key]?.servers[place].weight.isDrained = true
  }

  private mutating func undrain(_ endpoint: Endpoint, of key: ServiceKey) throws(PlaneError) {
    let place = try place(of: endpoint, in: key)
    guard byKey[key]?.servers[place].weight.isDrained == true else {
      throw .invalid("\(endpoint) is not drained (edit-rs -w sets its weight)")
    }
    byKey[key]?.servers[place].weight.isDrained = false
  }

  private mutating func remove(_ endpoint: Endpoint, from key: ServiceKey) throws(PlaneError) {
    let place = try place(of: endpoint, in: key)
    guard byKey[key]?.servers[place].isDiscovered == false else {
      throw .invalid("\(endpoint) is discovered: drain it, or take it from where \(key) discovers its servers")
    }
    byKey[key]?.servers.remove(at: place)
    byKey[key]?.checks[endpoint] = []
    leave(endpoint.address)
  }

  private func index(of endpoint: Endpoint, in key: ServiceKey) -> Int? {
    byKey[key]?.servers.firstIndex { $0.endpoint == endpoint }
  }

  /// Where a server stands that has to be there.
  private func place(of endpoint: Endpoint, in key: ServiceKey) throws(PlaneError) -> Int {
    try require(key)
    guard let index = index(of: endpoint, in: key) else { throw .noSuchServer(endpoint, key) }
    return index
  }

  mutating func leave(_ address: IPAddress) {
    serving[address] = serving[address].flatMap { $0 > 1 ? $0 - 1 : nil }
  }

  // MARK: Health

  private mutating func add(_ check: HealthCheck, to key: ServiceKey, _ endpoint: Endpoint?) throws(PlaneError) {
    try capabilities.require(.checks)
    try require(key)
    if check.via == .vip { try capabilities.require(.vipChecks) }
    let server = try endpoint.map { endpoint throws(PlaneError) in try place(of: endpoint, in: key) }
      .flatMap { byKey[key]?.servers[$0] }
    if let server, server.isDiscovered {
      throw .invalid("\(server.endpoint) is discovered: a check of its own is for servers that were named (add-rs)")
    }
    try check.validate(in: key, of: server)
    byKey[key]?.checks.add(check, to: endpoint)
  }

  private mutating func remove(
    _ type: HealthCheck.Kind.Name?, from key: ServiceKey, _ endpoint: Endpoint?
  ) throws(PlaneError) {
    try require(key)
    if let endpoint { _ = try place(of: endpoint, in: key) }
    try byKey[key]?.checks.remove(type, from: endpoint, of: key)
  }

  private mutating func set(_ farm: FarmPolicy, of key: ServiceKey) throws(PlaneError) {
    if farm != FarmPolicy() { try capabilities.require(.checks) }
    try require(key)
    var farm = farm
    farm.fallback = farm.fallback.map { $0.placed(in: key) }
    try farm.validate(in: key)
    for server in farm.fallback {
      try check(server, of: key)
      guard index(of: server.endpoint, in: key) == nil else {
        throw .invalid("\(server.endpoint) is a real server of \(key): it cannot stand in for itself")
      }
    }
    guard let definition = byKey[key] else { return }
    try requireSlots(for: definition.servers.count + farm.fallback.count, of: definition.service.scheduler)
    for server in definition.farm.fallback { leave(server.endpoint.address) }
    for server in farm.fallback { serving[server.endpoint.address, default: 0] += 1 }
    byKey[key]?.farm = farm
  }

  // MARK: Marks, settings, timeouts

  private mutating func set(_ rules: [MarkRule]) throws(PlaneError) {
    if !rules.isEmpty { try capabilities.require(.marks) }
    for rule in rules { try rule.validate() }
    let vips = vips(of: rules)
    for vip in vips { try requireNoServer(at: vip) }
    (marks, marked) = (rules, vips)
  }

  /// The VIPs that rules would make: the addresses of marks that have a service.
  public func vips(of rules: [MarkRule]) -> Set<IPAddress> {
    Set(order.lazy.filter { $0.address == nil }.flatMap { $0.addresses(by: rules) })
  }

  private mutating func set(_ name: String, to text: String) throws(PlaneError) {
    let rule = try capabilities.setting(name)
    let value = try rule.checked(text)
    if name == Self.maglevSlots, let slots = Int(value) { try requireNoService(withMoreThan: slots) }
    settings[name] = value == rule.standard ? nil : value
  }

  private mutating func set(_ timeouts: Timeouts) throws(PlaneError) {
    try timeouts.validate()
    self.timeouts.take(timeouts)
  }

  // MARK: What must hold of the whole

  /// What must hold of settings together. One request may change several of them, so that it is asked for at its end:
  /// that a sync master's first packet comes before its period does, as the kernel has it (`proc_do_sync_threshold`).
  ///
  /// - Throws: `outOfRange` where it does not hold.
  public func requireCoherence() throws(PlaneError) {
    func value(_ name: String) -> UInt32? {
      capabilities.settings.first { $0.name == name }.flatMap { UInt32(setting($0)) }
    }
    guard let threshold = value("sync_threshold"), let period = value("sync_period") else { return }
    guard period == 0 || threshold < period else {
      throw .outOfRange("sync_threshold is less than sync_period, or the latter 0; not \(threshold) and \(period)")
    }
  }

  private static let maglevSlots = "mh_table_size"

  private func check(_ server: RealServer, of key: ServiceKey) throws(PlaneError) {
    try server.validate(in: key)
    try capabilities.require(server)
    try require(key)
    let address = server.endpoint.address
    guard capabilities.features.contains(.localServers) || !isVIP(address) else {
      throw .invalid("\(address) is a VIP: name the real server by an address of its own")
    }
  }

  private func requireNoServer(at vip: IPAddress) throws(PlaneError) {
    guard capabilities.features.contains(.localServers) || serving[vip] == nil else {
      throw .invalid("\(vip) is a real server's address: a VIP is an address that no other host has")
    }
  }

  /// `mh` has a slot for each server at least.
  private func requireSlots(for servers: Int, of scheduler: SchedulerName) throws(PlaneError) {
    guard scheduler == .mh, let rule = capabilities.settings.first(where: { $0.name == Self.maglevSlots }),
      let slots = Int(setting(rule)), servers > slots
    else { return }
    throw .full("mh has \(slots) slots, one for each server at least: set \(Self.maglevSlots) to more")
  }

  private func requireNoService(withMoreThan slots: Int) throws(PlaneError) {
    let crowded = order.first { key in
      byKey[key].map { $0.service.scheduler == .mh && $0.serverCount > slots } ?? false
    }
    if let crowded { throw .outOfRange("service \(crowded) has more servers than \(slots)") }
  }
}
