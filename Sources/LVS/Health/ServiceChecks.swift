/// The checks of a service: those that are for all its servers, also those added later, and those that some servers
/// have in their place. There is one of a type at most, in the order of types.
public struct ServiceChecks: Hashable, Sendable {
  public private(set) var common: [HealthCheck] = []
  /// By server, never empty.
  public private(set) var own: [Endpoint: [HealthCheck]] = [:]

  public init() {}

  public var isEmpty: Bool { common.isEmpty && own.isEmpty }

  /// What a server is watched by.
  public func checks(of server: Endpoint) -> [HealthCheck] { own[server] ?? common }

  /// Those of a server alone; of the service where none is named.
  public subscript(_ server: Endpoint?) -> [HealthCheck] {
    get { server.map { own[$0] ?? [] } ?? common }
    set {
      let sorted = newValue.sorted { $0.kind.name < $1.kind.name }
      if let server { own[server] = sorted.isEmpty ? nil : sorted } else { common = sorted }
    }
  }

  /// One of the same type gives way.
  mutating func add(_ check: HealthCheck, to server: Endpoint?) {
    self[server] = self[server].filter { $0.kind.name != check.kind.name } + [check]
  }

  /// - Throws: where there is none of the type, or none at all.
  mutating func remove(_ type: HealthCheck.Kind.Name?, from server: Endpoint?, of key: ServiceKey) throws(PlaneError) {
    let rest = type.map { type in self[server].filter { $0.kind.name != type } } ?? []
    guard rest.count < self[server].count else {
      let owner = server.map { "the real server \($0) of \(key)" } ?? "service \(key)"
      throw .invalid("\(owner) has no \(type.map { "\($0) " } ?? "")check of its own (checks shows what there is)")
    }
    self[server] = rest
  }
}

/// What becomes of a service as a whole when its servers fail.
public struct FarmPolicy: Hashable, Sendable {
  /// The most servers that can stand in for all others.
  public static let fallbackLimit = 64

  /// Servers that are used while no other is left.
  public var fallback: [RealServer]
  /// How long the weight of a server that is up again grows; zero is not at all.
  public var slowStart: Period
  /// Below so many percent of healthy servers the checks are doubted, and all servers are used; 0 is never.
  public var panic: Percent

  public init(fallback: [RealServer] = [], slowStart: Period = .milliseconds(0), panic: Percent = 0) {
    (self.fallback, self.slowStart, self.panic) = (fallback, slowStart, panic)
  }

  public func validate(in key: ServiceKey) throws(PlaneError) {
    guard slowStart <= .seconds(86_400) else { throw .outOfRange("slow-start \(slowStart) is longer than 24h") }
    guard fallback.count <= Self.fallbackLimit else {
      throw .outOfRange("\(key) has \(fallback.count) fallback servers, and \(Self.fallbackLimit) are the most")
    }
    var seen: Set<Endpoint> = []
    for server in fallback {
      try server.validate(in: key)
      guard seen.insert(server.endpoint).inserted else { throw .serverExists(server.endpoint, key) }
      guard server.weight.effective > 0 else {
        throw .invalid("the fallback server \(server.endpoint) weighs nothing: nobody would be sent to it")
      }
    }
  }
}

/// A share, written `50 %`; a bare number is taken too.
public struct Percent: Hashable, Sendable, ExpressibleByIntegerLiteral {
  /// 0 to 100.
  public let value: UInt8

  public init(integerLiteral value: UInt8) { self.value = min(value, 100) }
}

extension Percent: TextCodable {
  public static var kind: String { "a share such as 50 %" }

  public init?(_ text: String) {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let value = UInt8(digits), value <= 100, ["", "%", " %"].contains(text[digits.endIndex...]) else {
      return nil
    }
    self.value = value
  }

  public init(from decoder: any Decoder) throws {
    let number = try? decoder.singleValueContainer().decode(Int.self)
    guard let number else {
      self = try Self.read(decoder)
      return
    }
    guard (0...100).contains(number) else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "'\(number)' is not \(Self.kind)"))
    }
    value = UInt8(number)
  }

  public var description: String { "\(value) %" }
}
