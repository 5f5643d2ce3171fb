/// What must hold of a check wherever it runs, asked before anything is changed.
extension HealthCheck {
  static let intervals = Period.milliseconds(10)...Period.seconds(3600)
  static let counts: ClosedRange<UInt16> = 1...1000
  /// How many bytes are sent or looked for at most.
  static let dialogueLimit = 4096
  static let commandLimits = (words: 64, bytes: 32_768)

  /// - Throws: `PlaneError` in one line that names the field.
  public func validate() throws(PlaneError) {
    for (name, period) in [("interval", interval), ("fast interval", fastInterval ?? interval), ("timeout", timeout)]
    where !Self.intervals.contains(period) {
      throw .outOfRange("the \(name) \(period) is not in \(Self.intervals.lowerBound) to \(Self.intervals.upperBound)")
    }
    guard (fastInterval ?? interval) <= interval else {
      throw .outOfRange("the fast interval \(fastInterval ?? interval) is longer than the interval \(interval)")
    }
    for (name, count) in [("rise", rise), ("fall", fall)] where !Self.counts.contains(count) {
      throw .outOfRange("\(name) \(count) is not in 1 to \(Self.counts.upperBound)")
    }
    guard jitter <= 50 else { throw .outOfRange("jitter of \(jitter) % is not in 0 to 50") }
    guard flapLimit <= Self.counts.upperBound else {
      throw .outOfRange("flap limit \(flapLimit) is not in 0 to \(Self.counts.upperBound)")
    }
    guard port != 0 else { throw .outOfRange("port 0 is not in 1 to 65535") }
    try kind.validate()
  }

  /// What must hold of the check of a service, or of one of its servers.
  public func validate(in service: ServiceKey, of server: RealServer? = nil) throws(PlaneError) {
    try validate()
    if via == .vip {
      guard service.address != nil else {
        throw .invalid("\(service) has no VIP of its own to check its servers by: use --via rip")
      }
      if let server, server.method != .route {
        throw .invalid("\(server.endpoint) is not reached by direct routing: use --via rip")
      }
    }
    let known = server.map(\.endpoint.port) ?? service.port
    guard port(of: Endpoint(IPAddress(v4: 0), known)) != 0 else {
      throw .invalid("\(service) has no port of its own to check its servers at: name one (--port)")
    }
  }
}

extension HealthCheck.Kind {
  fileprivate func validate() throws(PlaneError) {
    switch self {
    case .icmp: break
    case .tcp(let dialogue), .udp(let dialogue): try dialogue.validate()
    case .http(let question): try question.validate()
    case .https(let question, let demand):
      try question.validate()
      try demand.validate()
    case .dns(let question):
      guard question.name == "." || question.name.isDomainName else {
        throw .invalid("'\(question.name)' is not a name to ask the DNS for")
      }
      guard question.address == nil || question.type == .a || question.type == .aaaa else {
        throw .invalid("an address is expected, but \(question.type.rawValue) does not ask for one")
      }
    case .exec(let command): try validate(command)
    }
  }

  private func validate(_ command: [String]) throws(PlaneError) {
    guard let program = command.first, program.hasPrefix("/") else {
      throw .invalid("the command '\(command.first ?? "")' must begin with a program's whole path, such as /bin/true")
    }
    let limits = HealthCheck.commandLimits
    guard command.count <= limits.words, command.reduce(0, { $0 + $1.utf8.count + 1 }) <= limits.bytes else {
      throw .outOfRange("the command \(program) has more than \(limits.words) words or \(limits.bytes) bytes")
    }
    guard !command.contains(where: { $0.utf8.contains(0) }) else { throw .invalid("a word of the command holds a NUL") }
  }
}

extension HealthCheck.Dialogue {
  fileprivate func validate() throws(PlaneError) {
    let limit = HealthCheck.dialogueLimit
    for (name, payload) in [("sent", send), ("expected", expect)] {
      guard let payload else { continue }
      guard (1...limit).contains(payload.bytes.count) else {
        throw .outOfRange("what is \(name) has \(payload.bytes.count) bytes, not 1 to \(limit)")
      }
    }
  }
}

extension HealthCheck.HTTPQuestion {
  fileprivate func validate() throws(PlaneError) {
    guard method.isToken else { throw .invalid("'\(method)' is not an HTTP method") }
    guard path.isTarget, path.utf8.count <= 4096 else {
      throw .invalid("the path '\(path.prefix(80))' must begin with / and hold neither blanks nor controls")
    }
    if let host {
      guard !host.isEmpty, host.isHeaderValue, !host.contains(" "), host.utf8.count <= 255 else {
        throw .invalid("'\(host.prefix(80))' is not a host")
      }
    }
    guard headers.count <= 32, headers.allSatisfy({ $0.value.utf8.count <= 4096 }) else {
      throw .outOfRange("more than 32 headers, or one of more than 4096 bytes")
    }
    guard !status.ranges.isEmpty else { throw .invalid("no status would be a good one") }
    if let body {
      guard (1...1024).contains(body.utf8.count) else {
        throw .outOfRange("the regular expression of the body has \(body.utf8.count) bytes, not 1 to 1024")
      }
    }
  }
}

extension HealthCheck.TLSDemand {
  fileprivate func validate() throws(PlaneError) {
    if let name {
      guard name.isDomainName, IPAddress(name) == nil else { throw .invalid("'\(name)' is not a host's name (SNI)") }
    }
    if let authorities {
      guard verifies else { throw .invalid("authorities (ca) are named, and nothing is verified by them") }
      guard authorities.hasPrefix("/") else { throw .invalid("'\(authorities)' (ca) must be a file's whole path") }
    }
  }
}
