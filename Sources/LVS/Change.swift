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
  /// Replaces the rules that mark packets.
  case setMarks([MarkRule])
  case set(String, to: String)
  /// Sets those timeouts that are not 0.
  case setTimeouts(Timeouts)

  /// The service that the change is about; nil where it is about none.
  public var service: ServiceKey? {
    switch self {
    case .addService(let service, _), .updateService(let service): service.key
    case .removeService(let key): key
    case .addServer(_, let key), .updateServer(_, let key), .removeServer(_, let key): key
    case .drainServer(_, let key), .undrainServer(_, let key): key
    case .setMarks, .set, .setTimeouts: nil
    }
  }
}

/// A virtual service with its real servers in the order they are to be added: what a configuration holds.
public struct ServiceDefinition: Hashable, Sendable {
  public var service: VirtualService
  public var servers: [RealServer]

  public init(_ service: VirtualService, servers: [RealServer] = []) {
    (self.service, self.servers) = (service, servers)
  }
}
