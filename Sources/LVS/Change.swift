/// One step from a desired state to another: whatever alters what is wanted is one of these.
public enum Change: Hashable, Sendable {
  /// `force` takes a VIP that another host answers for.
  case addService(VirtualService, force: Bool)
  case updateService(VirtualService)
  case removeService(ServiceKey)
  case addServer(RealServer, to: ServiceKey)
  case updateServer(RealServer, of: ServiceKey)
  case removeServer(Endpoint, from: ServiceKey)
  /// The server gets no new connections until that is undone.
  case drainServer(Endpoint, of: ServiceKey)
  /// The server weighs again what the operator asked for.
  case undrainServer(Endpoint, of: ServiceKey)
  /// Watches a server by a check, or all servers of the service where none is named. One of the same type gives way.
  case addCheck(HealthCheck, to: ServiceKey, server: Endpoint?)
  /// Takes back the check of a type, or all checks where none is named.
  case removeCheck(HealthCheck.Kind.Name?, from: ServiceKey, server: Endpoint?)
  /// Says what becomes of the service when its servers fail.
  case setFarm(FarmPolicy, of: ServiceKey)
  /// Has servers of the service discovered. A discovery that it has gives way.
  case addDiscovery(Discovery, to: ServiceKey)
  /// Discovers none any more; those that were found are removed.
  case removeDiscovery(from: ServiceKey)
  /// Replaces the rules that mark packets.
  case setMarks([MarkRule])
  case set(String, to: String)
  /// Sets those timeouts that are not 0.
  case setTimeouts(Timeouts)

  /// Whether a plane has to do with it: checks are nothing to it, and drains and discoveries come as the servers that
  /// they make.
  public var isForPlane: Bool {
    switch self {
    case .drainServer, .undrainServer, .addCheck, .removeCheck, .setFarm, .addDiscovery, .removeDiscovery: false
    default: true
    }
  }

  /// The service that the change is about; nil where it is about none.
  public var service: ServiceKey? {
    switch self {
    case .addService(let service, _), .updateService(let service): service.key
    case .removeService(let key): key
    case .addServer(_, let key), .updateServer(_, let key), .removeServer(_, let key): key
    case .drainServer(_, let key), .undrainServer(_, let key): key
    case .addCheck(_, let key, _), .removeCheck(_, let key, _), .setFarm(_, let key): key
    case .addDiscovery(_, let key), .removeDiscovery(let key): key
    case .setMarks, .set, .setTimeouts: nil
    }
  }
}

/// A virtual service with its real servers in the order they are to be added, and how they are watched: what a
/// configuration holds.
public struct ServiceDefinition: Hashable, Sendable {
  public var service: VirtualService
  public var servers: [RealServer]
  public var checks: ServiceChecks
  public var farm: FarmPolicy
  /// Where more servers are learned of.
  public var discovery: Discovery?

  public init(
    _ service: VirtualService, servers: [RealServer] = [], checks: ServiceChecks = .init(), farm: FarmPolicy = .init(),
    discovery: Discovery? = nil
  ) {
    (self.service, self.servers, self.checks, self.farm) = (service, servers, checks, farm)
    self.discovery = discovery
  }
}
