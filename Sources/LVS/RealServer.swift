/// A real server of a virtual service, as its operator sets it. What it does meanwhile is `ServerStatus`.
public struct RealServer: Hashable, Sendable, Codable {
  /// What ipvsadm accepts.
  public static let weights: ClosedRange<Int32> = 0...65535

  public var endpoint: Endpoint
  public var method: ForwardingMethod
  /// 0 quiesces: no new connections, the existing ones go on.
  public var weight: Int32
  /// At this many connections the server is overloaded and gets no new ones; 0 is no limit.
  public var upperThreshold: UInt32
  /// Below this many connections an overloaded server is used again; 0 is three quarters of the upper.
  public var lowerThreshold: UInt32
  /// The server's Ethernet address where the operator fixes it instead of having it resolved.
  public var mac: MACAddress?

  public init(
    _ endpoint: Endpoint, method: ForwardingMethod = .route, weight: Int32 = 1, upperThreshold: UInt32 = 0,
    lowerThreshold: UInt32 = 0, mac: MACAddress? = nil
  ) {
    self.endpoint = endpoint
    self.method = method
    self.weight = weight
    self.upperThreshold = upperThreshold
    self.lowerThreshold = lowerThreshold
    self.mac = mac
  }
}

/// How a connection's packets reach its real server.
public enum ForwardingMethod: Hashable, Sendable, Codable {
  /// `-m`: network address translation.
  case masquerade
  /// The director itself is the server (`Local`); only ever reported by the kernel.
  case local
  /// `-i`: a tunnel.
  case tunnel(Tunnel)
  /// `-g`: direct routing, the method of LVS-DR: only the Ethernet addresses change.
  case route
  /// Only ever reported by the kernel.
  case bypass

  /// ipvsadm's word in a listing.
  public var name: String {
    switch self {
    case .masquerade: "Masq"
    case .local: "Local"
    case .tunnel: "Tunnel"
    case .route: "Route"
    case .bypass: "Bypass"
    }
  }
}

/// The encapsulation of `-i`.
public struct Tunnel: Hashable, Sendable, Codable {
  public enum Kind: UInt8, Hashable, Sendable, Codable {
    case ipip = 0
    case gue = 1
    case gre = 2
  }

  public enum Checksum: UInt16, Hashable, Sendable, Codable {
    case none = 0
    case full = 1
    case remote = 2
  }

  public var kind: Kind
  /// GUE's UDP port; 0 for the others.
  public var port: UInt16
  public var checksum: Checksum

  public init(kind: Kind = .ipip, port: UInt16 = 0, checksum: Checksum = .none) {
    (self.kind, self.port, self.checksum) = (kind, port, checksum)
  }
}
