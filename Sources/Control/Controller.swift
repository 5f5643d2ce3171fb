import LVS
import Logging

/// The one door to a plane: checks changes, lets them in one request at a time, logs them, and remembers what a plane
/// does not, the weights of drained servers.
public actor Controller {
  public nonisolated let plane: any ForwardingPlane
  private let logger: Logger
  private var drained: [ServiceKey: [Endpoint: Int32]] = [:]
  /// The request before; the next one waits for it.
  private var turn: Task<Void, Never>?

  public init(_ plane: any ForwardingPlane, logger: Logger) {
    self.plane = plane
    self.logger = logger
  }

  /// What only this program's own data plane can tell.
  nonisolated var inspection: any DirectorInspection {
    get throws(PlaneError) {
      guard let inspection = plane as? any DirectorInspection else {
        throw .notSupported("this data plane has no workers, neighbors, settings or captures to show")
      }
      return inspection
    }
  }

  /// All services, or the one asked for, with the weights of drained servers.
  public func services(_ key: ServiceKey? = nil) async throws -> [ServiceStatus] {
    var services = try await plane.status()
    if let key {
      services.removeAll { $0.service.key != key }
      if services.isEmpty { throw PlaneError.noSuchService(key) }
    }
    for service in services.indices {
      services[service].recall(drained[services[service].service.key] ?? [:])
    }
    return services
  }

  public func configuration() async throws -> Configuration {
    let marks = await (plane as? any DirectorInspection)?.marks() ?? []
    return Configuration(services: try await services().map(\.definition), marks: marks)
  }

  /// Carries the changes out in order, after all of them were checked.
  public func apply(_ changes: [Change]) async throws {
    for change in changes { try change.validate() }
    try await inTurn { try await self.carryOut(changes) }
  }

  /// Carries each change out by itself, in order: one that is refused holds up none after it.
  ///
  /// - Returns: of each change why it was refused; nil where it is in force.
  public func attempt(_ changes: [Change]) async throws -> [PlaneError?] {
    try await inTurn { await self.carryOutEach(changes) }
  }

  /// Makes the services what the configuration says, with the least changes.
  ///
  /// - Returns: the changes that it took.
  @discardableResult
  public func reconcile(to desired: Configuration) async throws -> [Change] {
    try desired.validate()
    return try await inTurn {
      let present = try await self.configuration()
      if present.marks != desired.marks { try await self.inspection.setMarks(desired.marks) }
      let steps = changes(from: present.services, to: desired.services)
      try await self.carryOut(steps, waits: true)
      return steps
    }
  }

  /// Removes all services. The rules that mark packets stay.
  public func flush() async throws {
    try await reconcile(to: Configuration(marks: try await configuration().marks))
  }

  /// Replaces the rules that mark packets.
  public func setMarks(_ rules: [MarkRule]) async throws {
    for rule in rules { try rule.validate() }
    try await inTurn {
      try await self.inspection.setMarks(rules)
      self.logger.info("marks set", metadata: ["rules": "\(rules.count)"])
    }
  }

  private func inTurn<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
    let before = turn
    let task = Task {
      await before?.value
      return try await work()
    }
    turn = Task { _ = await task.result }
    return try await task.value
  }

  /// `waits`: what cannot be had yet holds up nothing else.
  private func carryOut(_ changes: [Change], waits: Bool = false) async throws {
    if changes.isEmpty { return }
    do throws(PlaneError) {
      if waits { try await plane.reconcile(changes) } else { try await plane.apply(changes) }
    } catch {
      logger.warning("change refused", metadata: ["reason": "\(error)", "changes": "\(changes.count)"])
      await remember(changes)
      throw error
    }
    for change in changes { logger.info("change applied", metadata: change.metadata) }
    await remember(changes)
  }

  private func carryOutEach(_ changes: [Change]) async -> [PlaneError?] {
    var refusals = changes.map { change -> PlaneError? in
      do throws(PlaneError) {
        try change.validate()
        return nil
      } catch { return error }
    }
    let sound = changes.indices.filter { refusals[$0] == nil }
    for (place, refusal) in zip(sound, await plane.attempt(sound.map { changes[$0] })) { refusals[place] = refusal }
    for (change, refusal) in zip(changes, refusals) {
      if let refusal {
        logger.warning("change refused", metadata: change.metadata.merging(["reason": "\(refusal)"]) { $1 })
      } else {
        logger.info("change applied", metadata: change.metadata)
      }
    }
    await remember(changes)
    return refusals
  }

  /// Takes over the drained weights of those changes that are in force: of a refused list the first ones may be.
  private func remember(_ changes: [Change]) async {
    guard !drained.isEmpty || changes.contains(where: { $0.server?.drainedWeight != nil }),
      let services = try? await plane.status()
    else { return }
    let present = Dictionary(
      services.map { status in
        (status.service.key, Dictionary(status.servers.map { ($0.server.endpoint, $0.server) }) { first, _ in first })
      }
    ) { first, _ in first }
    for change in changes {
      guard var server = change.server else { continue }
      let weight = server.drainedWeight
      server.drainedWeight = nil
      var now = present[change.service]?[server.endpoint]
      now?.drainedWeight = nil
      if now == server { drained[change.service, default: [:]][server.endpoint] = weight }
    }
    drained = drained.reduce(into: [:]) { kept, entry in
      let weights = entry.value.filter { present[entry.key]?[$0.key]?.weight == 0 }
      if !weights.isEmpty { kept[entry.key] = weights }
    }
  }
}

extension ServiceStatus {
  fileprivate mutating func recall(_ weights: [Endpoint: Int32]) {
    for index in servers.indices where servers[index].server.weight == 0 {
      servers[index].server.drainedWeight = weights[servers[index].server.endpoint]
    }
  }
}

extension Change {
  /// The server that the change sets.
  fileprivate var server: RealServer? {
    switch self {
    case .addServer(let server, _), .updateServer(let server, _): server
    case .addService, .updateService, .removeService, .removeServer: nil
    }
  }
}
