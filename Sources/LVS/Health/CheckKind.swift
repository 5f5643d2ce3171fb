extension HealthCheck {
  /// What is asked of a server, and what makes the answer a good one.
  public enum Kind: Hashable, Sendable {
    /// A connection; then, where there is something to send or to expect, a dialogue.
    case tcp(Dialogue)
    case http(HTTPQuestion)
    case https(HTTPQuestion, TLSDemand)
    /// A datagram. Where nothing is expected, all is well unless an ICMP error comes back before the time is over.
    case udp(Dialogue)
    case dns(DNSQuestion)
    /// An echo.
    case icmp
    /// A command: program and arguments, without a shell. Status 0 is a good answer.
    case exec([String])

    public enum Name: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
      case tcp, http, https, udp, dns, icmp, exec

      public static func < (a: Name, b: Name) -> Bool { a.rawValue < b.rawValue }
    }

    public var name: Name {
      switch self {
      case .tcp: .tcp
      case .http: .http
      case .https: .https
      case .udp: .udp
      case .dns: .dns
      case .icmp: .icmp
      case .exec: .exec
      }
    }
  }

  /// What is said, and what has to stand somewhere in the answer.
  public struct Dialogue: Hashable, Sendable {
    public var send: Payload?
    public var expect: Payload?

    public init(send: Payload? = nil, expect: Payload? = nil) { (self.send, self.expect) = (send, expect) }
  }

  /// A request and what its response must be like. Redirects are answers as others are: nothing follows them.
  public struct HTTPQuestion: Hashable, Sendable {
    public var method: String
    /// The request's target, from its slash on.
    public var path: String
    /// The Host header; nil is the address that is asked.
    public var host: String?
    public var headers: [HTTPHeader]
    public var status: StatusSet
    /// A regular expression (PCRE) that must match within the first `bodyLimit` bytes of the body.
    public var body: String?

    /// How much of a body is read.
    public static let bodyLimit = 65_536

    public init(
      method: String = "GET", path: String = "/", host: String? = nil, headers: [HTTPHeader] = [],
      status: StatusSet = .good, body: String? = nil
    ) {
      self.method = method
      self.path = path
      self.host = host
      self.headers = headers
      self.status = status
      self.body = body
    }
  }

  /// What a server's certificate must be like.
  public struct TLSDemand: Hashable, Sendable {
    /// The name that is asked for (SNI); nil is the host's name where it is one.
    public var name: String?
    /// Whether the certificate must be valid, and for the name where there is one.
    public var verifies: Bool
    /// A PEM file with the authorities that are trusted; nil is the system's.
    public var authorities: String?

    public init(name: String? = nil, verifies: Bool = true, authorities: String? = nil) {
      (self.name, self.verifies, self.authorities) = (name, verifies, authorities)
    }
  }

  /// A question by name. It goes over TCP where the service is TCP's, else over UDP.
  public struct DNSQuestion: Hashable, Sendable {
    public enum RecordType: String, Hashable, Sendable, Codable, CaseIterable {
      case a = "A"
      case aaaa = "AAAA"
      case ns = "NS"
      case soa = "SOA"
    }

    public var name: String
    public var type: RecordType
    /// An address that must be among the answers; nil is content with any answer without an error.
    public var address: IPAddress?

    public init(_ name: String, type: RecordType = .a, address: IPAddress? = nil) {
      (self.name, self.type, self.address) = (name, type, address)
    }
  }
}
