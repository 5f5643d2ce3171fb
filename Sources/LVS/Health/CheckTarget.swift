/// One server of one service, and a check that it is watched by.
public struct CheckTarget: Hashable, Sendable {
  /// Which check of which server of which service.
  public struct Name: Hashable, Sendable, Comparable {
    public var service: ServiceKey
    public var server: Endpoint
    public var type: HealthCheck.Kind.Name

    public init(_ server: Endpoint, of service: ServiceKey, _ type: HealthCheck.Kind.Name) {
      (self.service, self.server, self.type) = (service, server, type)
    }

    public static func < (a: Name, b: Name) -> Bool {
      if a.service != b.service { return a.service < b.service }
      return a.server != b.server ? a.server < b.server : a.type < b.type
    }
  }

  public let name: Name
  public let check: HealthCheck
  public let via: HealthCheck.Via
  /// The server's station where the operator fixed it.
  public let mac: MACAddress?

  public init(_ server: RealServer, of service: ServiceKey, _ check: HealthCheck, _ via: HealthCheck.Via) {
    name = Name(server.endpoint, of: service, check.kind.name)
    (self.check, self.via, mac) = (check, via, server.mac)
  }

  /// The address that is asked.
  public var address: IPAddress {
    switch via {
    case .vip: name.service.address ?? name.server.address
    case .rip: name.server.address
    }
  }

  public var port: UInt16 { check.port(of: name.server) ?? 0 }

  /// The protocol that the service is of; a firewall mark has none.
  public var transport: TransportProtocol? {
    if case .endpoint(let transport, _) = name.service { transport } else { nil }
  }
}
