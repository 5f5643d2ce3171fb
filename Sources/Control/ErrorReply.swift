import LVS

/// What the API answers instead of a result: one line for a person and one word for a program.
public struct ErrorReply: Error, Hashable, Sendable, Codable, CustomStringConvertible {
  /// One line that names the thing and the way out.
  public var error: String
  /// The `PlaneError`'s name in snake_case, or `bad_request`, `not_found`, `internal`.
  public var code: String

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case error, code
  }

  public init(error: String, code: String) {
    (self.error, self.code) = (error, code)
  }

  public init(_ error: any Error) {
    switch error {
    case let reply as ErrorReply: self = reply
    case let refusal as PlaneError: self.init(error: refusal.description, code: refusal.code)
    case let bad as ConfigurationError: self.init(error: bad.description, code: "bad_request")
    case let bad as DecodingError: self.init(error: bad.line, code: "bad_request")
    default: self.init(error: "\(error)", code: "internal")
    }
  }

  public static func badRequest(_ line: String) -> ErrorReply { ErrorReply(error: line, code: "bad_request") }

  public var description: String { error }

  /// The HTTP status that goes with the code.
  var status: Int {
    switch code {
    case "bad_request", "unknown_scheduler", "unknown_engine", "out_of_range", "invalid", "not_unicast": 400
    case "not_found", "no_such_service", "no_such_server", "no_sync": 404
    case "service_exists", "server_exists", "sync_runs", "vip_contested", "vip_on_host": 409
    case "not_supported": 501
    case "unavailable": 503
    case "full": 507
    default: 500
    }
  }
}

extension PlaneError {
  /// The case's name in snake_case.
  var code: String {
    switch self {
    case .serviceExists: "service_exists"
    case .noSuchService: "no_such_service"
    case .serverExists: "server_exists"
    case .noSuchServer: "no_such_server"
    case .unknownScheduler: "unknown_scheduler"
    case .unknownEngine: "unknown_engine"
    case .outOfRange: "out_of_range"
    case .invalid: "invalid"
    case .notUnicast: "not_unicast"
    case .vipContested: "vip_contested"
    case .vipOnHost: "vip_on_host"
    case .notSupported: "not_supported"
    case .unavailable: "unavailable"
    case .full: "full"
    case .syncRuns: "sync_runs"
    case .noSync: "no_sync"
    }
  }
}

extension DecodingError {
  /// Where in the text and what is wrong: `services[1].servers[0].weight: …`.
  var line: String {
    let place = context.codingPath.reduce(into: "") { path, key in
      path += key.intValue.map { "[\($0)]" } ?? (path.isEmpty ? key.stringValue : ".\(key.stringValue)")
    }
    return place.isEmpty ? problem : "\(place): \(problem)"
  }

  var problem: String {
    switch self {
    case .keyNotFound(let key, _): "'\(key.stringValue)' is missing"
    case .typeMismatch(let type, _): "not \(Self.words(for: type))"
    case .valueNotFound: "no value"
    case .dataCorrupted(let context): context.debugDescription
    @unknown default: "not understood"
    }
  }

  var context: Context {
    switch self {
    case .keyNotFound(_, let context), .typeMismatch(_, let context), .valueNotFound(_, let context): context
    case .dataCorrupted(let context): context
    @unknown default: Context(codingPath: [], debugDescription: "")
    }
  }

  private static func words(for type: any Any.Type) -> String {
    switch type {
    case is String.Type: "a text"
    case is Bool.Type: "true or false"
    case is any BinaryInteger.Type: "a whole number in range"
    case is any ExpressibleByArrayLiteral.Type: "a list"
    default: "a mapping"
    }
  }
}
