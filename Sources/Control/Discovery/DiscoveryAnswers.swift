import LVS

/// What is known by the discovery of a service.
public struct DiscoveryStatus: Hashable, Sendable, Codable {
  public var service: ServiceKey
  public var discovery: Discovery
  /// For how many seconds the source has said what it says; nil before it has said anything.
  public var since: UInt64?
  /// What is not as it should be; nil where all is.
  public var trouble: String?
  /// Those of the service that were found, in the order in which they came.
  public var servers: [DiscoveredServer]

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case service, discovery, since, trouble, servers
  }
}

/// A server that a discovery has found.
public struct DiscoveredServer: Hashable, Sendable, Codable {
  public var address: Endpoint
  public var weight: Int32
  /// Whether it is no longer found, and has connections still.
  public var isLeaving: Bool

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case address, weight
    case isLeaving = "is_leaving"
  }
}

extension ControlCore {
  func discoveryStatus() async throws(PlaneError) -> [DiscoveryStatus] {
    try capabilities.require(.discovery)
    let now = now
    return try await present().services.compactMap { definition in
      let key = definition.service.key
      guard let discovery = definition.discovery else { return nil }
      let page = discoveries.pages[key]
      return DiscoveryStatus(
        service: key, discovery: discovery, since: page?.since.map { (now - min($0, now)) / 1000 },
        trouble: page?.trouble?.words,
        servers: definition.servers.filter(\.isDiscovered).map {
          DiscoveredServer(address: $0.endpoint, weight: $0.weight.asked, isLeaving: $0.weight.isLeaving)
        })
    }
  }

  /// What breaks direct routing, and what is wrong with discoveries.
  func findings() async throws(PlaneError) -> [Finding] {
    try await part(\.doctor, .doctor).findings() + discoveryFindings
  }

  func examine() async throws(PlaneError) -> [Finding] {
    try await part(\.doctor, .doctor).examine() + discoveryFindings
  }

  /// In the order of services.
  private var discoveryFindings: [Finding] {
    discoveries.pages.sorted { $0.key < $1.key }.compactMap { key, page in
      page.trouble?.finding(page.discovery, key)
    }
  }
}

extension DiscoveryTrouble {
  func finding(_ discovery: Discovery, _ key: ServiceKey) -> Finding {
    switch self {
    case .failed(let words):
      Finding(
        .discoveryFailed, vip: "\(key)", subject: "\(discovery)",
        seen: "\(discovery), where \(key) discovers its servers: \(words)",
        why: "the servers that were found last are kept; others are not found", fix: discovery.remedy)
    case .incomplete(let words):
      Finding(
        .discoveryIncomplete, vip: "\(key)", subject: "\(discovery)",
        seen: "\(discovery), where \(key) discovers its servers: \(words)",
        why: "the others get no clients", fix: discovery.remedy)
    }
  }
}

extension Discovery {
  /// The command that shows what the source says.
  fileprivate var remedy: String {
    switch source {
    case .file(let path): "on the director: cat \(path)"
    case .dns(let lookup):
      "on the director: dig \(lookup.name) \(lookup.type == .any ? "" : lookup.type.rawValue.uppercased())"
        + (lookup.resolver.map { " @\($0.endpoint.address) -p \($0.endpoint.port)" } ?? "")
    }
  }
}
