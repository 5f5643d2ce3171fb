/// A real server of a virtual service, as its operator sets it. What it does meanwhile is `ServerStatus`.
public struct RealServer: Hashable, Sendable {
  public var endpoint: Endpoint
  public var method: ForwardingMethod
  public var weight: Weight
  /// At this many connections the server is overloaded and gets no new ones; 0 is no limit.
  public var upperThreshold: UInt32
  /// Below this many connections an overloaded server is used again; 0 is three quarters of the upper.
  public var lowerThreshold: UInt32
  /// The server's Ethernet address where the operator fixes it instead of having it resolved.
  public var mac: MACAddress?
  /// Whether a discovery of its service has found it; else the operator named it.
  public internal(set) var isDiscovered = false

  public init(
    _ endpoint: Endpoint, method: ForwardingMethod = .route, weight: Weight = 1, upperThreshold: UInt32 = 0,
    lowerThreshold: UInt32 = 0, mac: MACAddress? = nil
  ) {
    self.endpoint = endpoint
    self.method = method
    self.weight = weight
    self.upperThreshold = upperThreshold
    self.lowerThreshold = lowerThreshold
    self.mac = mac
  }

  /// The server as it stands in `service`: direct routing and tunnels keep the packet's port, so the server's port is
  /// then the service's, as ipvsadm has it; elsewhere port 0 stands for the service's. A firewall mark has no port.
  public func placed(in service: ServiceKey) -> RealServer {
    guard case .endpoint(_, let virtual) = service else { return self }
    var server = self
    switch method {
    case .route, .tunnel: server.endpoint.port = virtual.port
    case .masquerade, .local, .bypass: if endpoint.port == 0 { server.endpoint.port = virtual.port }
    }
    return server
  }
}
