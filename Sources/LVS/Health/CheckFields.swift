/// A health check in its flat form, as JSON, YAML and the command line have it: one field for each word, nil where it was
/// not said.
///
///     type: http
///     path: /alive
///     status: 200-299
///     interval: 500ms
///     on_failure: remove
public struct CheckFields: Hashable, Sendable, Codable {
  public enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
    case type, path, host, method, headers, status, body, sni, verify, ca, send, expect, query, command, port, via
    case interval, timeout, jitter, rise, fall
    case fastInterval = "fast_interval"
    case flapLimit = "flap_limit"
    case onFailure = "on_failure"

    /// What belongs to some types only.
    var types: [HealthCheck.Kind.Name]? {
      switch self {
      case .path, .method, .headers, .status, .body: [.http, .https]
      case .host: [.http, .https, .dns]
      case .sni, .verify, .ca: [.https]
      case .send: [.tcp, .udp]
      case .expect: [.tcp, .udp, .dns]
      case .query: [.dns]
      case .command: [.exec]
      case .port: [.tcp, .http, .https, .udp, .dns]
      case .via: [.tcp, .http, .https, .udp, .dns, .icmp]
      case .type, .interval, .timeout, .jitter, .rise, .fall, .fastInterval, .flapLimit, .onFailure: nil
      }
    }
  }

  public var type: HealthCheck.Kind.Name
  public var path: String?
  public var host: String?
  public var method: String?
  public var headers: [HTTPHeader]?
  public var status: StatusSet?
  public var body: String?
  public var sni: String?
  public var verify: Bool?
  public var ca: String?
  public var send: Payload?
  public var expect: Payload?
  public var query: HealthCheck.DNSQuestion.RecordType?
  public var command: [String]?
  public var port: UInt16?
  public var via: HealthCheck.Via?
  public var interval: Period?
  public var timeout: Period?
  public var jitter: UInt8?
  public var rise: UInt16?
  public var fall: UInt16?
  public var fastInterval: Period?
  public var flapLimit: UInt16?
  public var onFailure: HealthCheck.Consequence?

  public init(_ type: HealthCheck.Kind.Name) { self.type = type }

  /// The fields that were said.
  var said: [CodingKeys] {
    let values: [(CodingKeys, Any?)] = [
      (.path, path), (.host, host), (.method, method), (.headers, headers), (.status, status), (.body, body),
      (.sni, sni), (.verify, verify), (.ca, ca), (.send, send), (.expect, expect), (.query, query),
      (.command, command), (.port, port), (.via, via),
    ]
    return values.filter { $0.1 != nil }.map(\.0)
  }
}

/// A field of a health check that cannot be so.
public struct CheckFieldError: Error, Hashable, Sendable {
  public var field: CheckFields.CodingKeys
  public var problem: String

  public init(field: CheckFields.CodingKeys, problem: String) { (self.field, self.problem) = (field, problem) }
}
