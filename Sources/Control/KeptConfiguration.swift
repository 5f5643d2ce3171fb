import LVS

/// What is wanted as it lies beside the tables that outlive the process: for the same version to read, in one line. It is
/// the configuration with the servers that were discovered.
extension DesiredState {
  public func kept() throws -> [UInt8] { Array(try JSON.encode(KeptState(self))) }

  /// - Throws: where it is none.
  public init(kept: [UInt8], _ capabilities: Capabilities) throws {
    let state = try JSON.decode(KeptState.self, from: .init(kept))
    try state.configuration.validate()
    try self.init(state.configuration, capabilities)
    for each in state.discovered {
      for server in each.servers {
        keep(discovered: server, of: each.service, isLeaving: each.leaving.contains(server.endpoint))
      }
    }
  }
}

private struct KeptState: Codable {
  struct Discovered: Codable {
    let service: ServiceKey
    let servers: [RealServer]
    let leaving: Set<Endpoint>
  }

  let configuration: Configuration
  let discovered: [Discovered]

  enum CodingKeys: String, CodingKey {
    case discovered
  }

  init(_ state: DesiredState) {
    configuration = state.configuration
    discovered = state.services.filter { $0.discovery != nil }.map { definition in
      let key = definition.service.key
      return Discovered(
        service: key, servers: definition.servers.filter(\.isDiscovered), leaving: Set(state.leaving(key)))
    }
  }

  init(from decoder: any Decoder) throws {
    configuration = try Configuration(from: decoder)
    let values = try decoder.container(keyedBy: CodingKeys.self)
    discovered = try values.decodeIfPresent([Discovered].self, forKey: .discovered) ?? []
  }

  func encode(to encoder: any Encoder) throws {
    try configuration.encode(to: encoder)
    var values = encoder.container(keyedBy: CodingKeys.self)
    if !discovered.isEmpty { try values.encode(discovered, forKey: .discovered) }
  }
}
