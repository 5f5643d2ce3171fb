import LVS

@testable import Director

extension TestDirector {
  /// Adds or edits a server as kernels before 6.12.117 do, with which histories were recorded: a raised upper threshold,
  /// or none, takes the mark of an overloaded server away, and nothing sets it before the server's next connection. From
  /// then on an edit looks at the connections that there are, and so does this director.
  ///
  /// - Returns: whether that made a difference.
  @discardableResult
  func applyAsOlderKernels(_ change: Change, to server: RealServer, of key: ServiceKey) throws -> Bool {
    let servers = services.shared.servers
    let known = services.find(server.endpoint, key)
    let (upper, wasOverloaded) =
      known.map { (servers[stateOf: $0].upper, servers[stateOf: $0].isOverloaded) } ?? (0, false)
    try apply(change)
    guard let number = services.find(server.endpoint, key), let known, number == known else { return false }
    let isOverloaded = server.upperThreshold != 0 && server.upperThreshold <= upper && wasOverloaded
    guard servers[stateOf: number].isOverloaded != isOverloaded else { return false }
    try services.find(key).locked { state in
      servers[stateOf: number].isOverloaded = isOverloaded
      state.publish(number, servers)
    }
    return true
  }
}

extension Services {
  /// The number of a server of a service, of one in the trash too.
  fileprivate func find(_ server: Endpoint, _ key: ServiceKey) -> ServerNumber? {
    let servers = shared.servers
    return try? find(key).locked { state in
      (0..<state.list.count).map { state.list[$0].id }.first { servers[$0].endpoint == server } ?? state.trash[server]
    }
  }
}
