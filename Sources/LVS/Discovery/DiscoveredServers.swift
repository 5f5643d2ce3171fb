/// Servers that a discovery has found are servers as others are: they are watched, drained and listed. But no file says
/// them, and they leave when they are no longer found.
extension DesiredState {
  /// All that servers are to be looked for by.
  public var discoveryTargets: [DiscoveryTarget] {
    services.compactMap { definition in
      definition.discovery.map { DiscoveryTarget(definition.service.key, $0) }
    }
  }

  /// Has a service the servers that were found for it; those that were not begin to leave. Servers that the operator
  /// named stay as they are. Where none of what was found can be used, nothing changes.
  ///
  /// - Parameter refused: what the outside world has against servers.
  /// - Returns: what is not as it was found; nil where all is.
  public mutating func discover(
    _ found: [FoundServer], of key: ServiceKey, except refused: [Endpoint: PlaneError] = [:]
  ) -> DiscoveryTrouble? {
    guard let definition = byKey[key], let discovery = definition.discovery else { return nil }
    let configured = Set(definition.servers.lazy.filter { !$0.isDiscovered }.map(\.endpoint))
    let named = discovery.servers(found, in: key).filter { !configured.contains($0.endpoint) }
    var (next, used, refusal): (DesiredState, Set<Endpoint>, PlaneError?) = (self, [], nil)
    let chosen = Self.choose(named, from: definition.servers)
    for server in chosen {
      do throws(PlaneError) {
        if let refusal = refused[server.endpoint] { throw refusal }
        try next.take(server, in: key)
        used.insert(server.endpoint)
      } catch { refusal = refusal ?? error }
    }
    if let refusal, used.isEmpty { return .failed("none of its \(named.count) servers can be used: \(refusal)") }
    next.setLeaving(key, except: used)
    self = next
    if let refusal { return .incomplete("\(chosen.count - used.count) of its servers cannot be used: \(refusal)") }
    if chosen.count < named.count { return .incomplete("of its \(named.count) servers \(chosen.count) are used") }
    return nil
  }

  /// As many as may be; who is there already goes first.
  private static func choose(_ named: [RealServer], from present: [RealServer]) -> [RealServer] {
    guard named.count > Discovery.limit else { return named }
    let known = Set(present.lazy.filter { $0.isDiscovered && !$0.weight.isLeaving }.map(\.endpoint))
    let (old, new) = (named.filter { known.contains($0.endpoint) }, named.filter { !known.contains($0.endpoint) })
    return Array((old + new).prefix(Discovery.limit))
  }

  /// What is known of it already, such as its health and a drain, stays.
  private mutating func take(_ server: RealServer, in key: ServiceKey) throws(PlaneError) {
    guard let known = self.server(server.endpoint, of: key) else { return try add(server, to: key) }
    var weight = known.weight
    (weight.asked, weight.isLeaving) = (server.weight.asked, false)
    try replace(server.weighing(weight), of: key)
  }

  private mutating func setLeaving(_ key: ServiceKey, except used: Set<Endpoint>) {
    for (place, server) in (byKey[key]?.servers ?? []).enumerated()
    where server.isDiscovered && !used.contains(server.endpoint) {
      byKey[key]?.servers[place].weight.isLeaving = true
    }
  }

  /// Those of a service that are on their way out.
  public func leaving(_ key: ServiceKey) -> [Endpoint] {
    byKey[key]?.servers.lazy.filter(\.weight.isLeaving).map(\.endpoint) ?? []
  }

  /// Takes servers out that are on their way out.
  public mutating func release(_ endpoints: Set<Endpoint>, of key: ServiceKey) {
    removeDiscovered(of: key) { $0.weight.isLeaving && endpoints.contains($0.endpoint) }
  }

  // MARK: What is asked for

  mutating func add(_ discovery: Discovery, to key: ServiceKey) throws(PlaneError) {
    try capabilities.require(.discovery)
    try require(key)
    try discovery.validate(in: key)
    try capabilities.require(RealServer(Endpoint(IPAddress(v4: 0), 0), method: discovery.method))
    byKey[key]?.discovery = discovery
  }

  /// With it go the servers that it has found.
  mutating func removeDiscovery(from key: ServiceKey) throws(PlaneError) {
    try require(key)
    guard byKey[key]?.discovery != nil else {
      throw .invalid("\(key) has no discovery (discoveries shows what there is)")
    }
    byKey[key]?.discovery = nil
    removeDiscovered(of: key) { _ in true }
  }

  private mutating func removeDiscovered(of key: ServiceKey, _ isMeant: (RealServer) -> Bool) {
    let gone = (byKey[key]?.servers ?? []).filter { $0.isDiscovered && isMeant($0) }
    if gone.isEmpty { return }
    byKey[key]?.servers.removeAll { $0.isDiscovered && isMeant($0) }
    for server in gone { leave(server.endpoint.address) }
  }

  /// The same as the operator asked for it.
  mutating func removeDiscovered() {
    for key in serviceKeys { removeDiscovered(of: key) { _ in true } }
  }

  /// Goes on with the servers that another state has discovered for services that still discover some.
  public mutating func keepDiscovered(of other: DesiredState) {
    for definition in services where definition.discovery != nil {
      for server in other.service(definition.service.key)?.servers ?? [] where server.isDiscovered {
        keep(server, in: definition.service.key)
      }
    }
  }

  /// Goes on with a server that was discovered when the process before this one ended.
  public mutating func keep(discovered server: RealServer, of key: ServiceKey, isLeaving: Bool) {
    var server = server
    (server.isDiscovered, server.weight.isLeaving) = (true, isLeaving)
    if byKey[key]?.discovery != nil { keep(server, in: key) }
  }

  /// One that the state cannot have any more is gone: it is found again, or it is not.
  private mutating func keep(_ server: RealServer, in key: ServiceKey) {
    guard self.server(server.endpoint, of: key) == nil, (try? add(server, to: key)) != nil else { return }
    let place = (byKey[key]?.servers.count ?? 1) - 1
    byKey[key]?.servers[place].weight.isLeaving = server.weight.isLeaving
  }
}

/// What is not as it should be with a discovery, in words for the operator.
public enum DiscoveryTrouble: Hashable, Sendable {
  /// There is no answer that can be used; what was found last is kept.
  case failed(String)
  /// Not all of the answer is used.
  case incomplete(String)

  public var words: String {
    switch self {
    case .failed(let words), .incomplete(let words): words
    }
  }
}
