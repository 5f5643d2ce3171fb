/// How services and servers travel in JSON and stand in a configuration: flat, in words, without what has its default.
///
///     service: tcp:192.0.2.1:80
///     scheduler: sh
///     flags: [sh-port]
///     persistence: { timeout: 360, netmask: 255.255.255.0 }
///     servers:
///       - address: 10.0.0.11:80
///         weight: 2
extension VirtualService: Codable {
  public enum CodingKeys: String, CodingKey, CaseIterable {
    case service, scheduler, flags, persistence
    case persistenceEngine = "persistence_engine"
    case onePacket = "one_packet"
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(try values.decode(ServiceKey.self, forKey: .service))
    scheduler = try values.decodeIfPresent(SchedulerName.self, forKey: .scheduler) ?? .wlc
    let names = try values.decodeIfPresent([String].self, forKey: .flags) ?? []
    if !names.isEmpty {
      flags = try SchedulerFlags.parse(names.joined(separator: ","), scheduler: scheduler).mapError { unknown in
        DecodingError.dataCorruptedError(
          forKey: .flags, in: values,
          debugDescription: "the scheduler \(scheduler.rawValue) has no flag '\(unknown.name)'")
      }.get()
    }
    if values.contains(.persistence) {
      let nested = try values.nestedContainer(keyedBy: Persistence.CodingKeys.self, forKey: .persistence)
      persistence = try Persistence(nested, family: key.family)
    }
    persistenceEngine = try values.decodeIfPresent(String.self, forKey: .persistenceEngine)
    onePacket = try values.decodeIfPresent(Bool.self, forKey: .onePacket) ?? false
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(key, forKey: .service)
    try values.encode(scheduler, forKey: .scheduler)
    if !flags.isEmpty { try values.encode(flags.names(for: scheduler), forKey: .flags) }
    if let persistence {
      var nested = values.nestedContainer(keyedBy: Persistence.CodingKeys.self, forKey: .persistence)
      try persistence.encode(to: &nested)
    }
    try values.encodeIfPresent(persistenceEngine, forKey: .persistenceEngine)
    if onePacket { try values.encode(true, forKey: .onePacket) }
  }
}

extension Persistence {
  public enum CodingKeys: String, CodingKey, CaseIterable {
    case timeout, netmask
  }

  fileprivate init(_ values: KeyedDecodingContainer<CodingKeys>, family: IPAddress.Family) throws {
    self.init(
      timeout: try values.decodeIfPresent(UInt32.self, forKey: .timeout) ?? Self.defaultTimeout,
      netmask: try values.decodeIfPresent(Netmask.self, forKey: .netmask) ?? .host(family))
  }

  fileprivate func encode(to values: inout KeyedEncodingContainer<CodingKeys>) throws {
    try values.encode(timeout, forKey: .timeout)
    if netmask != .host(netmask.family) { try values.encode(netmask, forKey: .netmask) }
  }
}

extension RealServer: Codable {
  public enum CodingKeys: String, CodingKey, CaseIterable {
    case address, method, weight
    case upperThreshold = "upper_threshold"
    case lowerThreshold = "lower_threshold"
    case mac, drained
    /// What a drained server weighed, as earlier versions wrote it, beside a weight of 0.
    case drainedWeight = "drained_weight"
  }

  /// An address without a port has port 0, which `placed(in:)` makes the service's.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let text = try values.decode(String.self, forKey: .address)
    guard let endpoint = Endpoint(text) ?? IPAddress(text).map({ Endpoint($0, 0) }) else {
      throw DecodingError.dataCorruptedError(
        forKey: .address, in: values, debugDescription: "'\(text)' is not \(Endpoint.kind)")
    }
    self.init(endpoint)
    method = try values.decodeIfPresent(ForwardingMethod.self, forKey: .method) ?? .route
    weight = try Self.weight(values, of: endpoint)
    upperThreshold = try values.decodeIfPresent(UInt32.self, forKey: .upperThreshold) ?? 0
    lowerThreshold = try values.decodeIfPresent(UInt32.self, forKey: .lowerThreshold) ?? 0
    mac = try values.decodeIfPresent(MACAddress.self, forKey: .mac)
  }

  private static func weight(_ values: KeyedDecodingContainer<CodingKeys>, of endpoint: Endpoint) throws -> Weight {
    let weight = Weight(
      try values.decodeIfPresent(Int32.self, forKey: .weight) ?? 1,
      isDrained: try values.decodeIfPresent(Bool.self, forKey: .drained) ?? false)
    guard let drained = try values.decodeIfPresent(Int32.self, forKey: .drainedWeight) else { return weight }
    guard weight.asked == 0 else {
      throw DecodingError.dataCorruptedError(
        forKey: .drainedWeight, in: values,
        debugDescription: "\(endpoint) has the weight \(weight.asked), so it is not drained")
    }
    return Weight(drained, isDrained: true)
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(endpoint, forKey: .address)
    if method != .route { try values.encode(method, forKey: .method) }
    try values.encode(weight.asked, forKey: .weight)
    if upperThreshold != 0 { try values.encode(upperThreshold, forKey: .upperThreshold) }
    if lowerThreshold != 0 { try values.encode(lowerThreshold, forKey: .lowerThreshold) }
    try values.encodeIfPresent(mac, forKey: .mac)
    if weight.isDrained { try values.encode(true, forKey: .drained) }
  }
}

extension ServiceDefinition: Codable {
  /// What stands beside the service's own settings and its farm's.
  public enum CodingKeys: String, CodingKey, CaseIterable {
    case checks, discover, servers
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let service = try VirtualService(from: decoder)
    let servers = try values.decodeIfPresent([WatchedServer].self, forKey: .servers) ?? []
    self.init(service, servers: servers.map { $0.server.placed(in: service.key) }, farm: try FarmPolicy(from: decoder))
    farm.fallback = farm.fallback.map { $0.placed(in: service.key) }
    checks[nil] = try values.checks(forKey: .checks)
    discovery = try values.decodeIfPresent(Discovery.self, forKey: .discover)
    for (server, watched) in zip(self.servers, servers) { checks[server.endpoint] = watched.checks }
  }

  public func encode(to encoder: any Encoder) throws {
    try service.encode(to: encoder)
    try farm.encode(to: encoder)
    var values = encoder.container(keyedBy: CodingKeys.self)
    if !checks.common.isEmpty { try values.encode(checks.common, forKey: .checks) }
    try values.encodeIfPresent(discovery, forKey: .discover)
    try values.encode(servers.map { WatchedServer($0, checks[$0.endpoint]) }, forKey: .servers)
  }
}

/// A real server with the checks that are its own.
public struct WatchedServer: Codable {
  /// What stands beside the server's own settings.
  public enum CodingKeys: String, CodingKey, CaseIterable {
    case checks
  }

  let server: RealServer
  let checks: [HealthCheck]

  init(_ server: RealServer, _ checks: [HealthCheck]) { (self.server, self.checks) = (server, checks) }

  public init(from decoder: any Decoder) throws {
    self.init(
      try RealServer(from: decoder), try decoder.container(keyedBy: CodingKeys.self).checks(forKey: .checks))
  }

  public func encode(to encoder: any Encoder) throws {
    try server.encode(to: encoder)
    var values = encoder.container(keyedBy: CodingKeys.self)
    if !checks.isEmpty { try values.encode(checks, forKey: .checks) }
  }
}

extension KeyedDecodingContainer {
  /// A list of checks, each of another type.
  fileprivate func checks(forKey key: Key) throws -> [HealthCheck] {
    let checks = try decodeIfPresent([HealthCheck].self, forKey: key) ?? []
    var seen: Set<HealthCheck.Kind.Name> = []
    guard let twice = checks.first(where: { !seen.insert($0.kind.name).inserted }) else { return checks }
    throw DecodingError.dataCorruptedError(
      forKey: key, in: self, debugDescription: "there are two checks of the type \(twice.kind.name)")
  }
}

extension FarmPolicy: Codable {
  public enum CodingKeys: String, CodingKey, CaseIterable {
    case fallback, panic
    case slowStart = "slow_start"
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      fallback: try values.decodeIfPresent([RealServer].self, forKey: .fallback) ?? [],
      slowStart: try values.decodeIfPresent(Period.self, forKey: .slowStart) ?? .milliseconds(0),
      panic: try values.decodeIfPresent(Percent.self, forKey: .panic) ?? 0)
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    if !fallback.isEmpty { try values.encode(fallback, forKey: .fallback) }
    if slowStart != .milliseconds(0) { try values.encode(slowStart, forKey: .slowStart) }
    if panic != 0 { try values.encode(panic, forKey: .panic) }
  }
}
