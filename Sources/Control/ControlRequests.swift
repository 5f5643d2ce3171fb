import Foundation
import LVS
import NIOCore
import NIOHTTP1

/// The requests of the API by name.
extension ControlClient {
  public func services(_ key: ServiceKey? = nil) async throws -> [ServiceStatus] {
    try await ask(.GET, "/v1/services", query: ["service": key?.description])
  }

  public func service(_ key: ServiceKey) async throws -> ServiceStatus {
    guard let status = try await services(key).first else { throw PlaneError.noSuchService(key) }
    return status
  }

  public func apply(_ changes: [Change]) async throws {
    _ = try await ask(.POST, "/v1/changes", body: JSON.encode(changes)) as Applied
  }

  /// Carries each change out by itself.
  ///
  /// - Returns: of each change why it was refused; nil where it is in force.
  public func attempt(_ changes: [Change]) async throws -> [ErrorReply?] {
    try await ask(.POST, "/v1/attempts", body: JSON.encode(changes))
  }

  public func configuration() async throws -> Configuration {
    try await ask(.GET, "/v1/configuration")
  }

  /// - Returns: how many changes it took.
  public func reconcile(to desired: Configuration) async throws -> Int {
    (try await ask(.PUT, "/v1/configuration", body: JSON.encode(desired)) as Applied).changes
  }

  public func zero(_ key: ServiceKey? = nil) async throws {
    try await exchange(.POST, "/v1/zero", query: ["service": key?.description]) { _ in }
  }

  public func flush() async throws {
    try await exchange(.DELETE, "/v1/services") { _ in }
  }

  public func total() async throws -> Traffic { try await ask(.GET, "/v1/total") }

  public func timeouts() async throws -> Timeouts { try await ask(.GET, "/v1/timeouts") }

  public func setTimeouts(_ timeouts: Timeouts) async throws -> Timeouts {
    try await ask(.PUT, "/v1/timeouts", body: JSON.encode(timeouts))
  }

  public func marks() async throws -> [MarkRule] { try await ask(.GET, "/v1/marks") }

  public func setMarks(_ rules: [MarkRule]) async throws {
    try await exchange(.PUT, "/v1/marks", body: JSON.encode(rules)) { _ in }
  }

  public func settings() async throws -> [String: String] { try await ask(.GET, "/v1/settings") }

  public func set(_ key: String, to value: String) async throws {
    let name = key.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(["_", "-"])) ?? key
    try await exchange(.PUT, "/v1/settings/\(name)", body: JSON.encode(Setting(value: value))) { _ in }
  }

  public func neighbors() async throws -> [NeighborStatus] { try await ask(.GET, "/v1/neighbors") }
  public func vips() async throws -> [VIPStatus] { try await ask(.GET, "/v1/vips") }
  public func workers() async throws -> [WorkerStatus] { try await ask(.GET, "/v1/workers") }
  public func findings() async throws -> [Finding] { try await ask(.GET, "/v1/findings") }
  public func examine() async throws -> [Finding] { try await ask(.POST, "/v1/doctor") }

  public func takeOver(_ vips: [IPAddress]) async throws -> [VIPStatus] {
    try await ask(.POST, "/v1/vips/takeover", body: JSON.encode(NamedVIPs(vips: vips)))
  }

  public func release(_ vips: [IPAddress]) async throws -> [VIPStatus] {
    try await ask(.POST, "/v1/vips/release", body: JSON.encode(NamedVIPs(vips: vips)))
  }

  public func verdicts() async throws -> VerdictCounts { try await ask(.GET, "/v1/verdicts") }

  /// Hands over the connections that match, as they come.
  public func connections(_ filter: ConnectionFilter, _ receive: ([ConnectionStatus]) async throws -> Void) async throws
  {
    try await connectionLines(filter) { try await receive(ConnectionStatus.rows(inLines: Array($0))) }
  }

  /// Hands over the connections that match as JSON, whole lines at a time.
  public func connectionLines(_ filter: ConnectionFilter, _ receive: (Data) async throws -> Void) async throws {
    let query = [
      "client": filter.client?.description, "service": filter.service?.description,
      "server": filter.server?.description, "state": filter.state,
    ]
    var rest = Data()
    try await exchange(.GET, "/v1/connections", query: query) { piece in
      rest.append(contentsOf: piece.readableBytesView)
      guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { return }
      try await receive(rest[...end])
      rest = Data(rest[(end + 1)...])
    }
    if !rest.isEmpty { throw try JSON.decode(ErrorReply.self, from: rest) }
  }

  /// Hands over the bytes of a capture file until the receiver throws or the daemon stops.
  public func capture(filter: String?, _ receive: ([UInt8]) async throws -> Void) async throws {
    try await exchange(.GET, "/v1/capture", query: ["filter": filter]) { piece in
      try await receive(Array(piece.readableBytesView))
    }
  }

  private func ask<Answer: Decodable>(
    _ method: HTTPMethod, _ path: String, query: [String: String?] = [:], body: Data = Data()
  ) async throws -> Answer {
    var answer = Data()
    try await exchange(method, path, query: query, body: body) { answer.append(contentsOf: $0.readableBytesView) }
    return try JSON.decode(from: answer)
  }
}
