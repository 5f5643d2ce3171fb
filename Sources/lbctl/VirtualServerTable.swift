import Control
import Foundation
import KernelIPVS
import LVS

/// What a command steers: the services of an lbd, or those of the kernel.
protocol VirtualServerTable: Sendable {
  /// All services, or the one asked for.
  func services(_ key: ServiceKey?) async throws -> [ServiceStatus]
  func service(_ key: ServiceKey) async throws -> ServiceStatus
  func apply(_ changes: [Change]) async throws
  func configuration() async throws -> Configuration
  /// - Returns: how many changes it took.
  func reconcile(to desired: Configuration) async throws -> Int
  func zero(_ key: ServiceKey?) async throws
  func flush() async throws
  func total() async throws -> Traffic
  func timeouts() async throws -> Timeouts
  func setTimeouts(_ timeouts: Timeouts) async throws -> Timeouts
  func settings() async throws -> [String: String]
  func set(_ key: String, to value: String) async throws
  func connections(_ filter: ConnectionFilter, _ receive: ([ConnectionStatus]) async throws -> Void) async throws
  /// The same as JSON, whole lines at a time.
  func connectionLines(_ filter: ConnectionFilter, _ receive: (Data) async throws -> Void) async throws
}

extension ControlClient: VirtualServerTable {}

/// The kernel's own table, without a daemon in between.
struct KernelTable: VirtualServerTable {
  let plane: KernelPlane

  init() throws {
    do throws(KernelError) { plane = try KernelPlane() } catch { throw PlaneError(error, about: nil) }
  }

  func services(_ key: ServiceKey?) async throws -> [ServiceStatus] {
    guard let key else { return try await plane.status() }
    return [try await service(key)]
  }

  func service(_ key: ServiceKey) async throws -> ServiceStatus {
    try await plane.service(key)
  }

  /// All are checked before the first is carried out. Where the kernel refuses one, the ones before it are in force,
  /// and the error says so.
  func apply(_ changes: [Change]) async throws {
    for change in changes { try change.validate() }
    for (done, change) in changes.enumerated() {
      do {
        try await plane.apply([change])
      } catch let error {
        guard done > 0 else { throw error }
        throw PlaneError.unavailable("\(done) of \(changes.count) changes are in force, then: \(error)")
      }
    }
  }

  func configuration() async throws -> Configuration {
    Configuration(services: try await services(nil).map(\.definition))
  }

  func reconcile(to desired: Configuration) async throws -> Int {
    let steps = changes(from: try await configuration().services, to: desired.services.map(\.withoutDrains))
    try await apply(steps)
    return steps.count
  }

  func zero(_ key: ServiceKey?) async throws { try await plane.zero(key) }
  func flush() async throws { try await apply(try await services(nil).map { .removeService($0.service.key) }) }
  func total() async throws -> Traffic { try await plane.total() }

  func timeouts() async throws -> Timeouts { try await plane.timeouts() }

  func setTimeouts(_ timeouts: Timeouts) async throws -> Timeouts {
    try await plane.setTimeouts(timeouts)
    return try await plane.timeouts()
  }

  func settings() async throws -> [String: String] { try KernelSettings.all() }
  func set(_ key: String, to value: String) async throws { try KernelSettings.set(key, to: value) }

  func connections(
    _ filter: ConnectionFilter, _ receive: ([ConnectionStatus]) async throws -> Void
  ) async throws {
    var rows = try ProcConnections()
    while let slice = rows.next() {
      let matching = slice.map(\.status).filter(filter.matches)
      if !matching.isEmpty { try await receive(matching) }
    }
  }

  func connectionLines(_ filter: ConnectionFilter, _ receive: (Data) async throws -> Void) async throws {
    try await connections(filter) { try await receive(Data(ConnectionStatus.jsonLines($0))) }
  }
}

extension ServiceDefinition {
  /// The kernel does not remember what a drained server weighed before.
  fileprivate var withoutDrains: ServiceDefinition {
    var definition = self
    for index in servers.indices { definition.servers[index].drainedWeight = nil }
    return definition
  }
}

/// The kernel's `net.ipv4.vs` sysctls.
enum KernelSettings {
  private static let folder = "/proc/sys/net/ipv4/vs/"

  static func all() throws -> [String: String] {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw PlaneError(.noIPVS, about: nil)
    }
    return names.reduce(into: [:]) { values, name in
      values[name] = (try? String(contentsOfFile: folder + name, encoding: .utf8))?
        .trimmingCharacters(in: .whitespacesAndNewlines)
    }
  }

  static func set(_ key: String, to value: String) throws {
    guard try all()[key] != nil else { throw PlaneError.invalid("no setting '\(key)' (get shows what there is)") }
    guard let file = FileHandle(forWritingAtPath: folder + key), (try? file.write(contentsOf: Data(value.utf8))) != nil
    else { throw PlaneError.invalid("the kernel does not take '\(value)' for \(key), or you are not root") }
  }
}
