/// A change travels under its own name:
/// `{"add_server": {"to": "tcp:192.0.2.1:80", "server": {"address": "10.0.0.11:80", "weight": 2}}}`.
extension Change: Codable {
  public enum CodingKeys: String, CodingKey, CaseIterable {
    case addService = "add_service"
    case updateService = "update_service"
    case removeService = "remove_service"
    case addServer = "add_server"
    case updateServer = "update_server"
    case removeServer = "remove_server"
    case drainServer = "drain_server"
    case undrainServer = "undrain_server"
    case addCheck = "add_check"
    case removeCheck = "remove_check"
    case setFarm = "set_farm"
    case addDiscovery = "add_discovery"
    case removeDiscovery = "remove_discovery"
    case setMarks = "set_marks"
    case set
    case setTimeouts = "set_timeouts"
  }

  public enum Part: String, CodingKey, CaseIterable {
    case service, force, server, check, type, farm, discovery, to, of, from, marks, setting, value, timeouts
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    guard values.allKeys.count == 1, let name = values.allKeys.first else {
      let names = CodingKeys.allCases.map(\.rawValue).joined(separator: ", ")
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "a change is one of \(names)"))
    }
    let parts = try values.nestedContainer(keyedBy: Part.self, forKey: name)
    func part<Value: Decodable>(_ part: Part, as type: Value.Type = Value.self) throws -> Value {
      try parts.decode(type, forKey: part)
    }
    self =
      switch name {
      case .addService:
        .addService(try part(.service), force: try parts.decodeIfPresent(Bool.self, forKey: .force) ?? false)
      case .updateService: .updateService(try part(.service))
      case .removeService: .removeService(try part(.service))
      case .addServer: .addServer(try part(.server), to: try part(.to))
      case .updateServer: .updateServer(try part(.server), of: try part(.of))
      case .removeServer: .removeServer(try part(.server), from: try part(.from))
      case .drainServer: .drainServer(try part(.server), of: try part(.of))
      case .undrainServer: .undrainServer(try part(.server), of: try part(.of))
      case .addCheck:
        .addCheck(
          try part(.check), to: try part(.to), server: try parts.decodeIfPresent(Endpoint.self, forKey: .server))
      case .removeCheck:
        .removeCheck(
          try parts.decodeIfPresent(HealthCheck.Kind.Name.self, forKey: .type), from: try part(.from),
          server: try parts.decodeIfPresent(Endpoint.self, forKey: .server))
      case .setFarm: .setFarm(try part(.farm), of: try part(.of))
      case .addDiscovery: .addDiscovery(try part(.discovery), to: try part(.to))
      case .removeDiscovery: .removeDiscovery(from: try part(.from))
      case .setMarks: .setMarks(try part(.marks))
      case .set: .set(try part(.setting), to: try part(.value, as: SettingValue.self).text)
      case .setTimeouts: .setTimeouts(try part(.timeouts))
      }
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    var parts = values.nestedContainer(keyedBy: Part.self, forKey: name)
    switch self {
    case .addService(let service, let force):
      try parts.encode(service, forKey: .service)
      if force { try parts.encode(true, forKey: .force) }
    case .updateService(let service): try parts.encode(service, forKey: .service)
    case .removeService(let key): try parts.encode(key, forKey: .service)
    case .addServer(let server, let key):
      try parts.encode(key, forKey: .to)
      try parts.encode(server, forKey: .server)
    case .updateServer(let server, let key):
      try parts.encode(key, forKey: .of)
      try parts.encode(server, forKey: .server)
    case .removeServer(let endpoint, let key):
      try parts.encode(key, forKey: .from)
      try parts.encode(endpoint, forKey: .server)
    case .drainServer(let endpoint, let key), .undrainServer(let endpoint, let key):
      try parts.encode(key, forKey: .of)
      try parts.encode(endpoint, forKey: .server)
    case .addCheck(let check, let key, let server):
      try parts.encode(key, forKey: .to)
      try parts.encodeIfPresent(server, forKey: .server)
      try parts.encode(check, forKey: .check)
    case .removeCheck(let type, let key, let server):
      try parts.encode(key, forKey: .from)
      try parts.encodeIfPresent(server, forKey: .server)
      try parts.encodeIfPresent(type, forKey: .type)
    case .setFarm(let farm, let key):
      try parts.encode(key, forKey: .of)
      try parts.encode(farm, forKey: .farm)
    case .addDiscovery(let discovery, let key):
      try parts.encode(key, forKey: .to)
      try parts.encode(discovery, forKey: .discovery)
    case .removeDiscovery(let key): try parts.encode(key, forKey: .from)
    case .setMarks(let rules): try parts.encode(rules, forKey: .marks)
    case .set(let name, let value):
      try parts.encode(name, forKey: .setting)
      try parts.encode(SettingValue(value), forKey: .value)
    case .setTimeouts(let timeouts): try parts.encode(timeouts, forKey: .timeouts)
    }
  }

  private var name: CodingKeys {
    switch self {
    case .addService: .addService
    case .updateService: .updateService
    case .removeService: .removeService
    case .addServer: .addServer
    case .updateServer: .updateServer
    case .removeServer: .removeServer
    case .drainServer: .drainServer
    case .undrainServer: .undrainServer
    case .addCheck: .addCheck
    case .removeCheck: .removeCheck
    case .setFarm: .setFarm
    case .addDiscovery: .addDiscovery
    case .removeDiscovery: .removeDiscovery
    case .setMarks: .setMarks
    case .set: .set
    case .setTimeouts: .setTimeouts
    }
  }
}
