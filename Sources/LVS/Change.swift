/// One step from a plane's present state towards the desired one.
public enum Change: Hashable, Sendable {
  /// `force` takes a VIP that another host answers for.
  case addService(VirtualService, force: Bool)
  case updateService(VirtualService)
  case removeService(ServiceKey)
  case addServer(RealServer, to: ServiceKey)
  case updateServer(RealServer, of: ServiceKey)
  case removeServer(Endpoint, from: ServiceKey)

  /// The service that the change is about.
  public var service: ServiceKey {
    switch self {
    case .addService(let service, _), .updateService(let service): service.key
    case .removeService(let key): key
    case .addServer(_, let key), .updateServer(_, let key), .removeServer(_, let key): key
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

/// The least changes that lead from `observed` to `desired`. All reconciliation is here.
///
/// Removals come first, so that a name can change hands; what stands in both is updated in place, which keeps
/// its connections and its place in the scheduler's order.
public func changes(from observed: [ServiceDefinition], to desired: [ServiceDefinition]) -> [Change] {
  let before = Dictionary(observed.map { ($0.service.key, $0) }, uniquingKeysWith: { first, _ in first })
  let wanted = Set(desired.map(\.service.key))
  let removals = observed.map(\.service.key).filter { !wanted.contains($0) }.map(Change.removeService)
  return removals + desired.flatMap { changes(from: before[$0.service.key], to: $0) }
}

private func changes(from old: ServiceDefinition?, to new: ServiceDefinition) -> [Change] {
  let key = new.service.key
  guard let old else {
    return [.addService(new.service, force: false)] + new.servers.map { .addServer($0, to: key) }
  }
  let before = Dictionary(old.servers.map { ($0.endpoint, $0) }, uniquingKeysWith: { first, _ in first })
  let wanted = Set(new.servers.map(\.endpoint))
  let edits: [Change] = old.service == new.service ? [] : [.updateService(new.service)]
  let removals = old.servers.map(\.endpoint).filter { !wanted.contains($0) }.map { Change.removeServer($0, from: key) }
  let rest = new.servers.compactMap { server -> Change? in
    switch before[server.endpoint] {
    case nil: .addServer(server, to: key)
    case server: nil
    default: .updateServer(server, of: key)
    }
  }
  return edits + removals + rest
}
