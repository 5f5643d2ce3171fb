/// How a connection's packets reach its real server.
public enum ForwardingMethod: Hashable, Sendable {
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

  /// The method without its particulars.
  public enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
    case masquerade, local, tunnel, route, bypass

    /// ipvsadm's option.
    public var letter: String {
      switch self {
      case .masquerade: "-m"
      case .tunnel: "-i"
      case .route, .local, .bypass: "-g"
      }
    }
  }

  public var kind: Kind {
    switch self {
    case .masquerade: .masquerade
    case .local: .local
    case .tunnel: .tunnel
    case .route: .route
    case .bypass: .bypass
    }
  }

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
public struct Tunnel: Hashable, Sendable {
  public enum Kind: UInt8, Hashable, Sendable {
    case ipip = 0
    case gue = 1
    case gre = 2
  }

  public enum Checksum: UInt16, Hashable, Sendable {
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

extension Tunnel: LosslessStringConvertible {
  /// Reads what `description` writes, which is what `ipvsadm -L --tun-info` prints: `ipip`, `gue:6080:+c`, `gre:-c`.
  public init?(_ text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    switch (parts.first, parts.count) {
    case ("ipip", 1): self.init()
    case ("gre", 2):
      guard let checksum = Self.checksum(parts[1]) else { return nil }
      self.init(kind: .gre, checksum: checksum)
    case ("gue", 3):
      guard let port = UInt16(parts[1]), let checksum = Self.checksum(parts[2]) else { return nil }
      self.init(kind: .gue, port: port, checksum: checksum)
    default: return nil
    }
  }

  private static func checksum(_ text: Substring) -> Checksum? {
    [Checksum.none, .full, .remote].first { $0.mark == text }
  }

  public var description: String {
    switch kind {
    case .ipip: "ipip"
    case .gue: "gue:\(port):\(checksum.mark)"
    case .gre: "gre:\(checksum.mark)"
    }
  }
}

extension Tunnel.Checksum {
  /// ipvsadm's shorthand.
  fileprivate var mark: String {
    switch self {
    case .none: "-c"
    case .full: "+c"
    case .remote: "r+c"
    }
  }
}

extension ForwardingMethod: TextCodable {
  public static var kind: String { "a forwarding method such as route" }

  /// Reads what `description` writes: `route`, `masquerade`, `tunnel:ipip`, `tunnel:gue:6080:+c`, `local`, `bypass`.
  public init?(_ text: String) {
    switch text {
    case "route": self = .route
    case "masquerade": self = .masquerade
    case "local": self = .local
    case "bypass": self = .bypass
    default:
      guard text.hasPrefix("tunnel:"), let tunnel = Tunnel(String(text.dropFirst(7))) else { return nil }
      self = .tunnel(tunnel)
    }
  }

  public var description: String {
    switch self {
    case .route: "route"
    case .masquerade: "masquerade"
    case .local: "local"
    case .bypass: "bypass"
    case .tunnel(let tunnel): "tunnel:\(tunnel)"
    }
  }
}
