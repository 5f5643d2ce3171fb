/// A change travels under its own name:
/// `{"addServer": {"to": "tcp:192.0.2.1:80", "server": {"address": "10.0.0.11:80", "weight": 2}}}`.
extension Change: Codable {
  enum CodingKeys: String, CodingKey, CaseIterable {
    case addService, updateService, removeService, addServer, updateServer, removeServer
  }

  enum Part: String, CodingKey {
    case service, force, server, to, of, from
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    guard values.allKeys.count == 1, let name = values.allKeys.first else {
      let names = CodingKeys.allCases.map(\.rawValue).joined(separator: ", ")
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "a change is one of \(names)"))
    }
    let parts = try values.nestedContainer(keyedBy: Part.self, forKey: name)
    switch name {
    case .addService:
      let force = try parts.decodeIfPresent(Bool.self, forKey: .force) ?? false
      self = .addService(try parts.decode(VirtualService.self, forKey: .service), force: force)
    case .updateService: self = .updateService(try parts.decode(VirtualService.self, forKey: .service))
    case .removeService: self = .removeService(try parts.decode(ServiceKey.self, forKey: .service))
    case .addServer:
      let key = try parts.decode(ServiceKey.self, forKey: .to)
      self = .addServer(try parts.decode(RealServer.self, forKey: .server).placed(in: key), to: key)
    case .updateServer:
      let key = try parts.decode(ServiceKey.self, forKey: .of)
      self = .updateServer(try parts.decode(RealServer.self, forKey: .server).placed(in: key), of: key)
    case .removeServer:
      let key = try parts.decode(ServiceKey.self, forKey: .from)
      self = .removeServer(try parts.decode(Endpoint.self, forKey: .server), from: key)
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
    }
  }
}
