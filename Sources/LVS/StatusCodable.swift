/// A status travels as what was set, in the same words, with what was counted beside it.
extension ServiceStatus: Codable {
  public enum CodingKeys: String, CodingKey, CaseIterable {
    case statistics, rates, servers
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      service: try VirtualService(from: decoder),
      statistics: try values.decode(Statistics.self, forKey: .statistics),
      rates: try values.decode(Rates.self, forKey: .rates),
      servers: try values.decode([ServerStatus].self, forKey: .servers))
  }

  public func encode(to encoder: any Encoder) throws {
    try service.encode(to: encoder)
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(statistics, forKey: .statistics)
    try values.encode(rates, forKey: .rates)
    try values.encode(servers, forKey: .servers)
  }
}

extension ServerStatus: Codable {
  public enum CodingKeys: String, CodingKey, CaseIterable {
    case activeConnections = "active_connections"
    case inactiveConnections = "inactive_connections"
    case persistentConnections = "persistent_connections"
    case isOverloaded = "is_overloaded"
    case statistics, rates
    case resolvedMAC = "resolved_mac"
    /// What schedulers go by, as ipvsadm lists it. What the operator asked for stands beside it, with what holds it down.
    case weight
    case configuredWeight = "configured_weight"
    case weightHeldBy = "weight_held_by"
    case isDiscovered = "is_discovered"
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    var server = try RealServer(from: decoder)
    server.weight.asked = try values.decode(Int32.self, forKey: .configuredWeight)
    server.isDiscovered = try values.decodeIfPresent(Bool.self, forKey: .isDiscovered) ?? false
    self.init(
      server: server,
      activeConnections: try values.decode(UInt32.self, forKey: .activeConnections),
      inactiveConnections: try values.decode(UInt32.self, forKey: .inactiveConnections),
      persistentConnections: try values.decode(UInt32.self, forKey: .persistentConnections),
      isOverloaded: try values.decode(Bool.self, forKey: .isOverloaded),
      statistics: try values.decode(Statistics.self, forKey: .statistics),
      rates: try values.decode(Rates.self, forKey: .rates),
      resolvedMAC: try values.decodeIfPresent(MACAddress.self, forKey: .resolvedMAC))
    effectiveWeight = try values.decode(Int32.self, forKey: .weight)
    weightHolds = try values.decodeIfPresent([Weight.Hold].self, forKey: .weightHeldBy) ?? []
  }

  public func encode(to encoder: any Encoder) throws {
    try server.encode(to: encoder)
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(activeConnections, forKey: .activeConnections)
    try values.encode(inactiveConnections, forKey: .inactiveConnections)
    try values.encode(persistentConnections, forKey: .persistentConnections)
    try values.encode(isOverloaded, forKey: .isOverloaded)
    try values.encode(statistics, forKey: .statistics)
    try values.encode(rates, forKey: .rates)
    try values.encodeIfPresent(resolvedMAC, forKey: .resolvedMAC)
    try values.encode(effectiveWeight, forKey: .weight)
    try values.encode(server.weight.asked, forKey: .configuredWeight)
    if !weightHolds.isEmpty { try values.encode(weightHolds, forKey: .weightHeldBy) }
    if server.isDiscovered { try values.encode(true, forKey: .isDiscovered) }
  }
}
