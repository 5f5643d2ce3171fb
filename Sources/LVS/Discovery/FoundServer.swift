/// A server as a source of a discovery names it.
public struct FoundServer: Hashable, Sendable {
  public var address: IPAddress
  /// nil: the source says none.
  public var port: UInt16?
  /// nil: the source says none.
  public var weight: Int32?

  public init(_ address: IPAddress, port: UInt16? = nil, weight: Int32? = nil) {
    (self.address, self.port, self.weight) = (address, port, weight)
  }
}

/// A service whose servers are to be discovered.
public struct DiscoveryTarget: Hashable, Sendable {
  public let service: ServiceKey
  public let discovery: Discovery

  public init(_ service: ServiceKey, _ discovery: Discovery) { (self.service, self.discovery) = (service, discovery) }
}

/// What a look for servers came to.
public enum DiscoveryOutcome: Hashable, Sendable {
  /// At least one.
  case found([FoundServer])
  /// There is no answer that can be believed: why, in words for the operator.
  case failed(String)
}

/// Whoever looks for the servers of services.
public protocol DiscoveryWatch: Sendable {
  /// Looks for the servers of these and no others. What is looked for already goes on.
  func watch(_ targets: [DiscoveryTarget])

  /// Looks for none any more.
  func stop() async
}

extension Discovery {
  /// What was found as servers of a service: each once, in the order of their endpoints. Where two come to be the same
  /// one, since direct routing keeps the port, the greater weight counts.
  func servers(_ found: [FoundServer], in key: ServiceKey) -> [RealServer] {
    let port: UInt16? = if case .dns(let lookup) = source { lookup.port } else { nil }
    var servers: [Endpoint: RealServer] = [:]
    for each in found {
      var server = RealServer(
        Endpoint(each.address, each.port ?? port ?? key.port), method: method,
        weight: Weight(each.weight ?? weight ?? 1)
      ).placed(in: key)
      server.isDiscovered = true
      let known = servers[server.endpoint]?.weight.asked ?? -1
      if server.weight.asked > known { servers[server.endpoint] = server }
    }
    return servers.values.sorted { $0.endpoint < $1.endpoint }
  }
}
