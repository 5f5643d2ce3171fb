import LVS

/// What the services count, and how they are shown.
extension Services {
  func counted(server: ServerNumber) -> Statistics { counters.reduce(Statistics()) { $0 + $1.server(server) } }
  func counted(service: ServiceNumber) -> Statistics { counters.reduce(Statistics()) { $0 + $1.service(service) } }

  var countedInTotal: Statistics { counters.reduce(Statistics()) { $0 + $1.total.statistics } }

  /// Makes the present counters the new zero: of one service, or of all.
  func zero(_ key: ServiceKey?) throws(PlaneError) {
    if key == nil {
      totalMeter.zero(countedInTotal)
      shared.names.figure.zero = SavedStatistics(countedInTotal)
    }
    for service in try key.map({ key throws(PlaneError) in [try find(key)] }) ?? live { zero(service) }
  }

  func zero(_ service: Service) {
    service.locked { state in
      state.zero(counted(service: service.number))
      for position in 0..<state.list.count {
        let server = state.list[position].id
        shared.servers.zero(server, counted(server: server))
      }
    }
  }

  /// Moves the rates on. To be called every two seconds.
  func estimate() {
    totalMeter.estimate(countedInTotal)
    for service in live {
      service.locked { state in
        state.meter.estimate(counted(service: service.number))
        for position in 0..<state.list.count {
          let server = state.list[position].id
          shared.servers[stateOf: server].meter.estimate(counted(server: server))
        }
      }
    }
  }

  var total: Traffic { Traffic(statistics: totalMeter.statistics(countedInTotal), rates: totalMeter.rates) }

  /// All services in the order they were added, their servers with the newest first.
  func status() -> [ServiceStatus] { desired.completed(live.map(status)) }

  func status(of key: ServiceKey) -> ServiceStatus? { byKey[key].map(status).flatMap(desired.completed) }

  private func status(_ service: Service) -> ServiceStatus {
    service.locked { state in
      ServiceStatus(
        service: state.definition, statistics: state.meter.statistics(counted(service: service.number)),
        rates: state.meter.rates, servers: (0..<state.list.count).map { status(state.list[$0]) })
    }
  }

  private func status(_ load: ServerLoad) -> ServerStatus {
    let servers = shared.servers
    let egress = servers[load.id].egress
    return ServerStatus(
      server: RealServer(servers[load.id].endpoint, weight: Weight(load.weight)),
      activeConnections: load.active, inactiveConnections: load.inactive,
      persistentConnections: servers[load.id].templates.load(ordering: .relaxed), isOverloaded: load.isOverloaded,
      statistics: servers[stateOf: load.id].meter.statistics(counted(server: load.id)),
      rates: servers[stateOf: load.id].meter.rates,
      resolvedMAC: egress.isResolved ? egress.nextHop : nil)
  }
}
