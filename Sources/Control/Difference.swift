import Foundation
import LVS

/// One thing that is otherwise in one desired state than in another, as a line of `lbctl diff` says it.
public struct Difference: Hashable, Sendable, Codable {
  public enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
    case added, removed, changed
  }

  public var kind: Kind
  /// `server 192.0.2.11:80 of tcp:192.0.2.100:80`.
  public var subject: String
  /// What it is like, or what of it changes: `weight 1 -> 2`.
  public var details: [String]

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case kind, subject, details
  }

  init(_ kind: Kind, _ subject: String, _ details: [String] = []) {
    (self.kind, self.subject, self.details) = (kind, subject, details)
  }

  /// `~ server 192.0.2.11:80 of tcp:192.0.2.100:80: weight 1 -> 2`.
  public var line: String {
    let sign = [Kind.added: "+", .removed: "-", .changed: "~"][kind] ?? "~"
    return "\(sign) \(subject)\(details.isEmpty ? "" : ": ")\(details.joined(separator: ", "))"
  }

  /// What leads from one state to another, in the order in which it would be done.
  static func all(from present: DesiredState, to next: DesiredState) -> [Difference] {
    changes(from: present.asked, to: next.asked).flatMap { differences(of: $0, from: present.asked, to: next.asked) }
  }

  private static func differences(
    of change: Change, from present: DesiredState, to next: DesiredState
  ) -> [Difference] {
    switch change {
    case .addService(let service, _): [Difference(.added, "service \(service.key)", Fields(service).words)]
    case .updateService(let service):
      [changed("service \(service.key)", present.service(service.key)?.service, service)]
    case .removeService(let key): [Difference(.removed, "service \(key)")]
    case .addServer(let server, let key): [Difference(.added, name(server.endpoint, key), Fields(server).words)]
    case .updateServer(let server, let key):
      [changed(name(server.endpoint, key), present.server(server.endpoint, of: key), server)]
    case .removeServer(let endpoint, let key): [Difference(.removed, name(endpoint, key))]
    case .addCheck(let check, let key, let server):
      [changed(name(check.kind.name, key, server), present.check(check.kind.name, of: key, server), check)]
    case .removeCheck(let type, let key, let server): [Difference(.removed, name(type, key, server))]
    case .setFarm(let farm, let key): [changed("service \(key)", present.service(key)?.farm ?? FarmPolicy(), farm)]
    case .addDiscovery(let discovery, let key):
      [changed("discovery of service \(key)", present.service(key)?.discovery, discovery)]
    case .removeDiscovery(let key): [Difference(.removed, "discovery of service \(key)")]
    case .setMarks(let rules): marks(present.marks, rules)
    case .set(let name, let value):
      [Difference(.changed, "setting \(name)", ["\(present.value(of: name)) -> \(value)"])]
    case .setTimeouts: [changed("timeouts", present.timeouts, next.timeouts)]
    case .drainServer, .undrainServer: []
    }
  }

  private static func name(_ server: Endpoint, _ key: ServiceKey) -> String { "server \(server) of \(key)" }

  private static func name(_ type: HealthCheck.Kind.Name?, _ key: ServiceKey, _ server: Endpoint?) -> String {
    "check \(type?.rawValue ?? "") of \(server.map { name($0, key) } ?? "service \(key)")"
  }

  private static func changed<Value: Encodable>(_ subject: String, _ old: Value?, _ new: Value) -> Difference {
    guard let old else { return Difference(.added, subject, Fields(new).words) }
    return Difference(.changed, subject, Fields(old).changes(to: Fields(new)))
  }

  private static func marks(_ old: [MarkRule], _ new: [MarkRule]) -> [Difference] {
    let (gone, come) = (old.filter { !new.contains($0) }, new.filter { !old.contains($0) })
    if gone.isEmpty, come.isEmpty { return [Difference(.changed, "marks", ["in another order"])] }
    return gone.map { Difference(.removed, "mark", Fields($0).words) }
      + come.map { Difference(.added, "mark", Fields($0).words) }
  }
}

/// A value as the fields that it has in a file, each as JSON in one line.
private struct Fields {
  /// What names a thing stands before its fields.
  private static let names: Set<String> = ["service", "address", "type"]

  private let values: [String: String]

  init(_ value: some Encodable) {
    // What the control model encodes, a file has: it is a mapping.
    let object = (try? JSONSerialization.jsonObject(with: JSON.encode(value))) as? [String: Any] ?? [:]
    values = object.filter { !Self.names.contains($0.key) }.mapValues(Self.text)
  }

  private static func text(_ value: Any) -> String {
    if let text = value as? String { return text }
    let options: JSONSerialization.WritingOptions = [.fragmentsAllowed, .sortedKeys, .withoutEscapingSlashes]
    return (try? JSONSerialization.data(withJSONObject: value, options: options)).map {
      String(decoding: $0, as: UTF8.self)
    }
      ?? "\(value)"
  }

  var words: [String] { values.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" } }

  func changes(to other: Fields) -> [String] {
    Set(values.keys).union(other.values.keys).sorted().filter { values[$0] != other.values[$0] }.map { name in
      "\(name) \(values[name] ?? "none") -> \(other.values[name] ?? "none")"
    }
  }
}

extension DesiredState {
  fileprivate func check(_ type: HealthCheck.Kind.Name, of key: ServiceKey, _ server: Endpoint?) -> HealthCheck? {
    service(key)?.checks[server].first { $0.kind.name == type }
  }

  fileprivate func value(of setting: String) -> String {
    capabilities.settings.first { $0.name == setting }.map(self.setting) ?? ""
  }
}

extension ControlCore {
  /// What applying a configuration would change.
  func planned(_ configuration: Configuration) async throws(PlaneError) -> [Difference] {
    let (present, next) = try await compared(configuration)
    return Difference.all(from: present, to: next)
  }

  /// What is otherwise now than a configuration says, as changes of it.
  func drift(_ configuration: Configuration) async throws(PlaneError) -> [Difference] {
    let (present, next) = try await compared(configuration)
    return Difference.all(from: next, to: present)
  }

  private func compared(
    _ configuration: Configuration
  ) async throws(PlaneError) -> (present: DesiredState, next: DesiredState) {
    try configuration.validate()
    let present = try await present()
    let next = try DesiredState(configuration, present.capabilities)
    try await validate(changes(from: present.asked, to: next))
    return (present, next)
  }
}
