/// The transport protocols that a virtual service can balance. The raw value is the IP protocol number.
public enum TransportProtocol: UInt8, Hashable, Sendable, CaseIterable {
  case tcp = 6
  case udp = 17
  case sctp = 132

  public var name: String {
    switch self {
    case .tcp: "tcp"
    case .udp: "udp"
    case .sctp: "sctp"
    }
  }
}

/// An address with a port, written `192.0.2.1:80` or `[2001:db8::1]:80`.
public struct Endpoint: Hashable, Sendable, Comparable, LosslessStringConvertible {
  public var address: IPAddress
  public var port: UInt16

  public init(_ address: IPAddress, _ port: UInt16) {
    (self.address, self.port) = (address, port)
  }

  public init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":") else { return nil }
    var host = text[..<colon]
    let digits = text[text.index(after: colon)...]
    if host.hasPrefix("[") && host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
      guard host.contains(":") else { return nil }
    } else if host.contains(":") {
      return nil
    }
    guard let address = IPAddress(host), digits.utf8.allSatisfy({ (48...57).contains($0) }), let port = UInt16(digits)
    else { return nil }
    self.init(address, port)
  }

  public var description: String { "\(address.bracketed):\(port)" }

  public static func < (a: Endpoint, b: Endpoint) -> Bool {
    (a.address, a.port) < (b.address, b.port)
  }
}

/// What names a virtual service: a protocol with an endpoint, or a firewall mark with a family.
///
/// Written `tcp:192.0.2.1:80`, `udp:[2001:db8::1]:53`, `fwmark:7`, `fwmark6:7`.
public enum ServiceKey: Hashable, Sendable {
  case endpoint(TransportProtocol, Endpoint)
  case fwmark(UInt32, IPAddress.Family)

  public var family: IPAddress.Family {
    switch self {
    case .endpoint(_, let endpoint): endpoint.address.family
    case .fwmark(_, let family): family
    }
  }

  /// The VIP; a service by firewall mark has none of its own.
  public var address: IPAddress? {
    if case .endpoint(_, let endpoint) = self { endpoint.address } else { nil }
  }

  /// The service's port; 0 for a service of all ports and for a firewall mark.
  public var port: UInt16 {
    if case .endpoint(_, let endpoint) = self { endpoint.port } else { 0 }
  }
}

extension ServiceKey: LosslessStringConvertible {
  public init?(_ text: String) {
    guard let colon = text.firstIndex(of: ":") else { return nil }
    let (kind, rest) = (text[..<colon], String(text[text.index(after: colon)...]))
    if kind == "fwmark" || kind == "fwmark6" {
      guard let mark = UInt32(rest), mark > 0 else { return nil }
      self = .fwmark(mark, kind == "fwmark" ? .v4 : .v6)
    } else {
      guard let transport = TransportProtocol.allCases.first(where: { $0.name == kind }), let endpoint = Endpoint(rest)
      else { return nil }
      self = .endpoint(transport, endpoint)
    }
  }

  public var description: String {
    switch self {
    case .endpoint(let transport, let endpoint): "\(transport.name):\(endpoint)"
    case .fwmark(let mark, .v4): "fwmark:\(mark)"
    case .fwmark(let mark, .v6): "fwmark6:\(mark)"
    }
  }
}

extension ServiceKey: Comparable {
  /// By mark, family, protocol, address, port; services without a mark come first. Listings have ipvsadm's own order.
  public static func < (a: ServiceKey, b: ServiceKey) -> Bool {
    switch (a, b) {
    case (.endpoint(let p, let x), .endpoint(let q, let y)):
      (x.address.family.rawValue, p.rawValue, x.address, x.port) < (
        y.address.family.rawValue, q.rawValue, y.address, y.port
      )
    case (.fwmark(let m, let f), .fwmark(let n, let g)): (m, f.rawValue) < (n, g.rawValue)
    case (.endpoint, .fwmark): true
    case (.fwmark, .endpoint): false
    }
  }
}

extension TransportProtocol: TextCodable {
  public static var kind: String { "a transport protocol (tcp, udp or sctp)" }

  public init?(_ text: String) {
    guard let transport = Self.allCases.first(where: { $0.name == text.lowercased() }) else { return nil }
    self = transport
  }

  public var description: String { name }

  public init(from decoder: any Decoder) throws {
    self = try Self.read(decoder)
  }

  public func encode(to encoder: any Encoder) throws {
    try write(to: encoder)
  }
}
