/// A health check travels as its `CheckFields`, without what has its standard.
extension HealthCheck: Codable {
  public init(from decoder: any Decoder) throws {
    let fields = try CheckFields(from: decoder)
    do throws(CheckFieldError) { self = try HealthCheck(fields) } catch {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath + [error.field], debugDescription: error.problem))
    }
  }

  public func encode(to encoder: any Encoder) throws { try fields.encode(to: encoder) }

  /// - Throws: where a field is of no use to the type, or one is missing that the type needs.
  public init(_ fields: CheckFields) throws(CheckFieldError) {
    let stray = fields.said.first { field in field.types.map { !$0.contains(fields.type) } ?? false }
    if let stray {
      let types = (stray.types ?? []).map(\.rawValue).joined(separator: ", ")
      throw CheckFieldError(field: stray, problem: "'\(stray.rawValue)' is for \(types), and this is \(fields.type)")
    }
    let standard = HealthCheck(.icmp)
    self.init(
      try Kind(fields), port: fields.port, via: fields.via, interval: fields.interval ?? standard.interval,
      fastInterval: fields.fastInterval, timeout: fields.timeout ?? standard.timeout,
      jitter: fields.jitter ?? standard.jitter, rise: fields.rise ?? standard.rise, fall: fields.fall ?? standard.fall,
      flapLimit: fields.flapLimit ?? standard.flapLimit, onFailure: fields.onFailure ?? standard.onFailure)
  }

  public var fields: CheckFields {
    let standard = HealthCheck(.icmp)
    func unless<Value: Equatable>(_ usual: Value, _ value: Value) -> Value? { value == usual ? nil : value }
    var fields = kind.fields
    fields.port = port
    fields.via = via
    fields.interval = unless(standard.interval, interval)
    fields.fastInterval = fastInterval
    fields.timeout = unless(standard.timeout, timeout)
    fields.jitter = unless(standard.jitter, jitter)
    fields.rise = unless(standard.rise, rise)
    fields.fall = unless(standard.fall, fall)
    fields.flapLimit = unless(standard.flapLimit, flapLimit)
    fields.onFailure = unless(standard.onFailure, onFailure)
    return fields
  }
}

extension HealthCheck.Kind {
  fileprivate init(_ fields: CheckFields) throws(CheckFieldError) {
    switch fields.type {
    case .tcp: self = .tcp(.init(send: fields.send, expect: fields.expect))
    case .udp: self = .udp(.init(send: fields.send, expect: fields.expect))
    case .http: self = .http(.init(fields))
    case .https:
      self = .https(.init(fields), .init(name: fields.sni, verifies: fields.verify ?? true, authorities: fields.ca))
    case .dns: self = .dns(try .init(fields))
    case .icmp: self = .icmp
    case .exec:
      guard let command = fields.command else {
        throw CheckFieldError(field: .command, problem: "exec needs a command")
      }
      self = .exec(command)
    }
  }

  fileprivate var fields: CheckFields {
    var fields = CheckFields(name)
    switch self {
    case .icmp: break
    case .tcp(let dialogue), .udp(let dialogue): (fields.send, fields.expect) = (dialogue.send, dialogue.expect)
    case .http(let question): question.put(into: &fields)
    case .https(let question, let demand):
      question.put(into: &fields)
      fields.sni = demand.name
      fields.verify = demand.verifies ? nil : false
      fields.ca = demand.authorities
    case .dns(let question):
      fields.host = question.name
      fields.query = question.type == .a ? nil : question.type
      fields.expect = question.address.map { Payload(Array($0.description.utf8)) }
    case .exec(let command): fields.command = command
    }
    return fields
  }
}

extension HealthCheck.HTTPQuestion {
  fileprivate init(_ fields: CheckFields) {
    let standard = Self()
    self.init(
      method: fields.method ?? standard.method, path: fields.path ?? standard.path, host: fields.host,
      headers: fields.headers ?? [], status: fields.status ?? standard.status, body: fields.body)
  }

  fileprivate func put(into fields: inout CheckFields) {
    let standard = Self()
    fields.method = method == standard.method ? nil : method
    fields.path = path == standard.path ? nil : path
    fields.host = host
    fields.headers = headers.isEmpty ? nil : headers
    fields.status = status == standard.status ? nil : status
    fields.body = body
  }
}

extension HealthCheck.DNSQuestion {
  fileprivate init(_ fields: CheckFields) throws(CheckFieldError) {
    guard let name = fields.host else {
      throw CheckFieldError(field: .host, problem: "dns needs the name to ask for (host)")
    }
    self.init(name, type: fields.query ?? .a)
    guard let expected = fields.expect else { return }
    guard let address = IPAddress(expected.description) else {
      throw CheckFieldError(field: .expect, problem: "'\(expected)' is not an IP address, as dns expects")
    }
    self.address = address
  }
}
