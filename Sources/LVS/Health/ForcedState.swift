/// What a plane has in force of a desired state: the services as the health of their servers makes them.
extension DesiredState {
  /// Takes over what the health of a service's servers makes of it.
  public mutating func settle(_ key: ServiceKey, _ farm: Farm) {
    guard let definition = byKey[key], farm != farms[key] ?? .unwatched else { return }
    farms[key] = farm == .unwatched ? nil : farm
    for (place, server) in definition.servers.enumerated() {
      byKey[key]?.servers[place].weight.standing = farm.standings[server.endpoint] ?? .full
      byKey[key]?.servers[place].weight.isUnreachable = farm.unreachable.contains(server.endpoint)
      byKey[key]?.servers[place].weight.scale = farm.scale
    }
  }

  /// What the health of a service's servers has made of it.
  public func farm(_ key: ServiceKey) -> Farm { farms[key] ?? .unwatched }

  /// What was asked for, whatever has come of it.
  public var asked: DesiredState {
    var state = self
    state.removeDiscovered()
    for key in farms.keys { state.settle(key, .unwatched) }
    return state
  }

  /// A service as a plane is to have it: without servers that are out, with those that stand in for them.
  public func forced(_ key: ServiceKey) -> ServiceDefinition? {
    guard let definition = byKey[key] else { return nil }
    let farm = farm(key)
    let servers = definition.servers.filter { $0.weight.standing != .removed }
    return ServiceDefinition(
      definition.service, servers: servers + (farm.state == .empty ? definition.farm.fallback : []))
  }

  /// The state as a plane is to have it. Checks mean nothing to it.
  public var forced: DesiredState {
    var state = self
    for definition in services {
      let key = definition.service.key
      guard let farm = farms[key] ?? (definition.farm.fallback.isEmpty ? nil : .unwatched) else { continue }
      state.byKey[key] = forced(key)
      state.resting += definition.servers.filter { $0.weight.standing == .removed }
      state.resting += farm.state == .empty ? [] : definition.farm.fallback
    }
    return state
  }

  /// All that is to be watched.
  public var checkTargets: [CheckTarget] {
    services.flatMap { definition in
      let key = definition.service.key
      return definition.servers.flatMap { server in
        definition.checks.checks(of: server.endpoint).map {
          CheckTarget(server, of: key, $0, $0.via(server.method, in: key, capabilities))
        }
      }
    }
  }
}

extension ServiceDefinition {
  /// With those that stand in for others.
  var serverCount: Int { servers.count + farm.fallback.count }
}
