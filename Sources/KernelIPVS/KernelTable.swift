import LVS
import Serial

/// The kernel's IPVS as a plane: its table becomes what is wanted, by the fewest messages.
@Waiting public final class KernelTable: ForwardingPlane {
  private let table: IPVSTable
  /// The connection table, which netlink does not show.
  private let connectionFile: String

  /// - Throws: `KernelError.noIPVS` where the kernel has none.
  public convenience init() throws(KernelError) {
    self.init(try IPVSTable())
  }

  init(_ table: sending IPVSTable, connectionFile: String = ProcConnection.file) {
    (self.table, self.connectionFile) = (table, connectionFile)
  }

  /// Settings are by themselves what they are now.
  nonisolated public var capabilities: Capabilities {
    Capabilities(
      .kernel, methods: [.route, .tunnel, .masquerade], features: [.localServers],
      settings: KernelSettings.all().sorted { $0.key < $1.key }.map { SettingRule($0.key, .any, standard: $0.value) })
  }

  /// All that the kernel has, as something that was wanted. What nobody sets stays as it is.
  public func found() throws(PlaneError) -> DesiredState {
    var capabilities = capabilities
    capabilities.timeouts = try timeouts()
    return DesiredState(capabilities, found: try status().map(\.definition))
  }

  /// Asks the kernel in its own words.
  ///
  /// - Parameter change: what it is asked for, where that is a change.
  public func ask<Value: Sendable>(
    about change: Change? = nil, _ question: @Sendable (IPVSTable) throws(KernelError) -> Value
  ) throws(KernelRefusal) -> Value {
    do throws(KernelError) { return try question(table) } catch { throw KernelRefusal(error, about: change) }
  }

  // MARK: Changes

  /// The kernel asks nobody before it takes a VIP.
  public func admit(_ claims: [Claim]) -> Admission { Admission() }

  /// Where the kernel refuses a step, those before it are taken back.
  public func adopt(_ transition: Transition) throws(PlaneError) {
    var keys: [ServiceKey] = []
    for key in transition.steps.compactMap(\.service) where !keys.contains(key) { keys.append(key) }
    let before = try definitions(keys)
    let timeouts = try timeouts()
    do throws(PlaneError) {
      try carryOut(changes(from: before, to: keys.compactMap { transition.next.service($0)?.effective }))
      if transition.next.timeouts != timeouts, transition.steps.contains(where: \.setsTimeouts) {
        try setTimeouts(transition.next.timeouts)
      }
      try KernelSettings.set(transition.steps.compactMap(\.setting))
    } catch {
      takeBack(keys, to: before, timeouts)
      throw error
    }
  }

  /// Carries changes out one by one, without looking at what there is.
  ///
  /// - Throws: at the first that the kernel refuses; those before it stay.
  public func carryOut(_ changes: [Change]) throws(PlaneError) {
    for change in changes {
      do throws(KernelError) { try table.carryOut(change) } catch { throw PlaneError(error, about: change) }
    }
  }

  /// As far as the kernel lets it: the error that it is for is the one to be told.
  private func takeBack(_ keys: [ServiceKey], to before: [ServiceDefinition], _ timeouts: Timeouts) {
    guard let now = try? definitions(keys) else { return }
    for change in changes(from: now, to: before) { try? carryOut([change]) }
    try? setTimeouts(timeouts)
  }

  /// Those of the services that there are.
  private func definitions(_ keys: [ServiceKey]) throws(PlaneError) -> [ServiceDefinition] {
    var definitions: [ServiceDefinition] = []
    for key in keys { if let found = try find(key) { definitions.append(found.definition) } }
    return definitions
  }

  /// The service with its servers; nil where there is none.
  public func find(_ key: ServiceKey) throws(PlaneError) -> ServiceStatus? {
    do throws(KernelError) { return try table.service(key) } catch {
      let refusal = PlaneError(error, about: .removeService(key))
      guard refusal == .noSuchService(key) else { throw refusal }
      return nil
    }
  }

  // MARK: Figures

  public func status() throws(PlaneError) -> [ServiceStatus] {
    try inPlaneWords { () throws(KernelError) in try table.services() }
  }

  public func total() throws(PlaneError) -> Traffic { try ProcTotal.read().traffic }

  public func timeouts() throws(PlaneError) -> Timeouts {
    try inPlaneWords { () throws(KernelError) in try table.timeouts() }
  }

  private func setTimeouts(_ timeouts: Timeouts) throws(PlaneError) {
    try inPlaneWords { () throws(KernelError) in try table.set(timeouts) }
  }

  public func settings() -> [String: String] { KernelSettings.all() }

  public func zero(_ service: ServiceKey?) throws(PlaneError) {
    do throws(KernelError) {
      try table.zero(service)
    } catch {
      throw PlaneError(error, about: service.map { .removeService($0) })
    }
  }

  public func connections(
    _ filter: ConnectionFilter, _ body: @Sendable ([ConnectionStatus]) async -> Bool
  ) async throws(PlaneError) {
    var rows = try ProcConnections(connectionFile)
    while let slice = rows.next() {
      let matching = slice.map(\.status).filter(filter.matches)
      if !matching.isEmpty, await !body(matching) { return }
    }
  }

  /// The table is the kernel's, and stays.
  public func stop() {}

  private func inPlaneWords<Value>(_ work: () throws(KernelError) -> Value) throws(PlaneError) -> Value {
    do throws(KernelError) { return try work() } catch { throw PlaneError(error, about: nil) }
  }
}

extension Change {
  fileprivate var setsTimeouts: Bool { if case .setTimeouts = self { true } else { false } }

  fileprivate var setting: (name: String, value: String)? {
    if case .set(let name, let value) = self { (name, value) } else { nil }
  }
}
