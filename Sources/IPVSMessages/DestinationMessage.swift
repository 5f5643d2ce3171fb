import LVS

/// A real server as the kernel reads and writes it (`IPVS_DEST_ATTR_*`).
package struct DestinationMessage: AttributeTable {
  package var address: [UInt8]?
  package var port: UInt16?
  /// `IP_VS_CONN_F_*`, of which the lowest three bits say the method.
  package var method: UInt32?
  package var weight: Int32?
  package var tunnelKind: UInt8?
  package var tunnelPort: UInt16?
  package var tunnelFlags: UInt16?
  package var upperThreshold: UInt32?
  package var lowerThreshold: UInt32?
  package var activeConnections: UInt32?
  package var inactiveConnections: UInt32?
  package var persistentConnections: UInt32?
  /// Where it is missing or 0, the service's is meant.
  package var family: UInt16?
  package var narrowStatistics: NarrowStatistics?
  package var statistics: WideStatistics?

  package static let fields: [Field<Self>] = [
    .bytes(1, \.address), .network(2, \.port), .number(3, \.method), .number(4, \.weight), .number(13, \.tunnelKind),
    .network(14, \.tunnelPort), .number(15, \.tunnelFlags), .number(5, \.upperThreshold), .number(6, \.lowerThreshold),
    .number(7, \.activeConnections), .number(8, \.inactiveConnections), .number(9, \.persistentConnections),
    .number(11, \.family), .nest(10, \.narrowStatistics), .nest(12, \.statistics),
  ]

  package init() {}
}

extension DestinationMessage {
  /// Which server.
  package init(_ endpoint: Endpoint) {
    (address, port) = (endpoint.address.union, endpoint.port)
    family = UInt16(endpoint.address.family.number)
  }

  /// The server in full.
  package init(_ server: RealServer) {
    self.init(server.endpoint)
    let tunnel = if case .tunnel(let tunnel) = server.method { tunnel } else { Tunnel() }
    (method, weight) = (server.method.number, server.weight.effective)
    (tunnelKind, tunnelPort, tunnelFlags) = (tunnel.kind.rawValue, tunnel.port, tunnel.checksum.rawValue)
    (upperThreshold, lowerThreshold) = (server.upperThreshold, server.lowerThreshold)
  }

  /// The server as the kernel shows it.
  package init(_ status: ServerStatus) {
    self.init(status.server)
    activeConnections = status.activeConnections
    inactiveConnections = status.inactiveConnections
    persistentConnections = status.persistentConnections
    narrowStatistics = NarrowStatistics(status.statistics, status.rates)
    statistics = WideStatistics(status.statistics, status.rates)
  }

  /// Which server is meant; nil where that is not said.
  package func endpoint(of service: IPAddress.Family) -> Endpoint? {
    let family = family.flatMap(IPAddress.Family.init(number:)) ?? service
    guard let address = address.flatMap({ IPAddress(union: $0, family) }), let port else { return nil }
    return Endpoint(address, port)
  }

  /// The server that the message describes in full; nil where something is missing.
  package func server(of service: IPAddress.Family) -> RealServer? {
    guard let endpoint = endpoint(of: service), let method = forwardingMethod, let weight, let upperThreshold,
      let lowerThreshold
    else { return nil }
    return RealServer(
      endpoint, method: method, weight: Weight(weight), upperThreshold: upperThreshold, lowerThreshold: lowerThreshold)
  }

  /// The server with its counters.
  ///
  /// - Parameter service: the service's family, which an older kernel leaves to be understood.
  package func status(of service: IPAddress.Family) throws(MalformedMessage) -> ServerStatus {
    guard let server = server(of: service) else { throw MalformedMessage() }
    return ServerStatus(
      server: server, activeConnections: activeConnections ?? 0, inactiveConnections: inactiveConnections ?? 0,
      persistentConnections: persistentConnections ?? 0,
      statistics: statistics?.statistics ?? narrowStatistics?.statistics ?? Statistics(),
      rates: statistics?.rates ?? narrowStatistics?.rates ?? Rates())
  }

  private var forwardingMethod: ForwardingMethod? {
    switch method.map({ $0 & 7 }) {
    case 0: .masquerade
    case 1: .local
    case 2: .tunnel(tunnel)
    case 3: .route
    case 4: .bypass
    default: nil
    }
  }

  private var tunnel: Tunnel {
    Tunnel(
      kind: tunnelKind.flatMap(Tunnel.Kind.init) ?? .ipip, port: tunnelPort ?? 0,
      checksum: tunnelFlags.flatMap(Tunnel.Checksum.init) ?? .none)
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
