import LVS

/// A real server as the kernel reads and writes it (`IPVS_DEST_ATTR_*`).
enum DestinationMessage {
  enum Attribute {
    static let address: UInt16 = 1
    static let port: UInt16 = 2
    static let method: UInt16 = 3
    static let weight: UInt16 = 4
    static let upperThreshold: UInt16 = 5
    static let lowerThreshold: UInt16 = 6
    static let activeConnections: UInt16 = 7
    static let inactiveConnections: UInt16 = 8
    static let persistentConnections: UInt16 = 9
    static let statistics: UInt16 = 10
    static let family: UInt16 = 11
    static let statistics64: UInt16 = 12
    static let tunnelKind: UInt16 = 13
    static let tunnelPort: UInt16 = 14
    static let tunnelFlags: UInt16 = 15
  }

  /// Which server.
  static func put(_ endpoint: Endpoint, into writer: inout AttributeWriter) {
    writer.put(Attribute.family, number: UInt16(endpoint.address.family.number))
    writer.put(Attribute.address, endpoint.address.union)
    writer.put(Attribute.port, port: endpoint.port)
  }

  /// The server in full, in ipvsadm's order.
  static func put(_ server: RealServer, into writer: inout AttributeWriter) {
    put(server.endpoint, into: &writer)
    let tunnel = if case .tunnel(let tunnel) = server.method { tunnel } else { Tunnel() }
    writer.put(Attribute.method, number: server.method.number)
    writer.put(Attribute.weight, number: server.weight.effective)
    writer.put(Attribute.tunnelKind, number: tunnel.kind.rawValue)
    writer.put(Attribute.tunnelPort, port: tunnel.port)
    writer.put(Attribute.tunnelFlags, number: tunnel.checksum.rawValue)
    writer.put(Attribute.upperThreshold, number: server.upperThreshold)
    writer.put(Attribute.lowerThreshold, number: server.lowerThreshold)
  }

  /// Reads a server with its counters.
  ///
  /// - Parameter family: the service's, which an older kernel leaves to be understood.
  static func read(_ attributes: Attributes, family: IPAddress.Family) throws(MalformedMessage) -> ServerStatus {
    let named = attributes.number(Attribute.family, as: UInt16.self).flatMap { IPAddress.Family(number: $0) }
    guard let bytes = attributes.value(Attribute.address), let address = IPAddress(union: bytes, named ?? family),
      let port = attributes.port(Attribute.port), let method = method(attributes),
      let weight = attributes.number(Attribute.weight, as: Int32.self)
    else { throw MalformedMessage() }
    var server = RealServer(Endpoint(address, port), method: method, weight: Weight(weight))
    server.upperThreshold = attributes.number(Attribute.upperThreshold) ?? 0
    server.lowerThreshold = attributes.number(Attribute.lowerThreshold) ?? 0
    var status = ServerStatus(server: server)
    status.activeConnections = attributes.number(Attribute.activeConnections) ?? 0
    status.inactiveConnections = attributes.number(Attribute.inactiveConnections) ?? 0
    status.persistentConnections = attributes.number(Attribute.persistentConnections) ?? 0
    (status.statistics, status.rates) = try StatisticsMessage.read(
      attributes, Attribute.statistics64, Attribute.statistics)
    return status
  }

  private static func method(_ attributes: Attributes) -> ForwardingMethod? {
    guard let number = attributes.number(Attribute.method, as: UInt32.self) else { return nil }
    switch number & 7 {
    case 0: return .masquerade
    case 1: return .local
    case 2: return .tunnel(tunnel(attributes))
    case 3: return .route
    case 4: return .bypass
    default: return nil
    }
  }

  private static func tunnel(_ attributes: Attributes) -> Tunnel {
    Tunnel(
      kind: attributes.number(Attribute.tunnelKind).flatMap(Tunnel.Kind.init) ?? .ipip,
      port: attributes.port(Attribute.tunnelPort) ?? 0,
      checksum: attributes.number(Attribute.tunnelFlags).flatMap(Tunnel.Checksum.init) ?? .none)
  }
}

extension ForwardingMethod {
  /// `IP_VS_CONN_F_*`.
  var number: UInt32 {
    switch self {
    case .masquerade: 0
    case .local: 1
    case .tunnel: 2
    case .route: 3
    case .bypass: 4
    }
  }
}
