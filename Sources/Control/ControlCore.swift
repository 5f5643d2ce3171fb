import LVS
import Logging
import Serial

/// The one owner of what is wanted of a plane.
///
/// A request is carried out in its turn, in four steps: its changes are applied to a copy of the state, which checks
/// them; the plane asks the outside world; the plane adopts the whole next state, at one moment or not at all; the state
/// is kept. Where a step refuses, nothing has changed. Who only reads waits for nobody.
public actor ControlCore {
  nonisolated let plane: any ForwardingPlane
  nonisolated let facilities: Facilities
  let logger: Logger
  let turns = Turnstile()
  /// nil before the first change of a plane whose own table is what is wanted.
  private(set) var state: DesiredState?
  /// What is known of the servers' health.
  var book = HealthBook()
  /// What was given to be watched.
  var watched: [CheckTarget] = []
  /// What was found of servers.
  var discoveries = DiscoveryBook()
  /// What was given to be looked for.
  var soughtAfter: [DiscoveryTarget] = []
  private let start = ContinuousClock.now
  /// What the watch tells comes by it.
  public nonisolated let reports: HealthReports
  private let find: @Sendable () async throws(PlaneError) -> DesiredState
  /// Has what is wanted outlive the process.
  private let keep: Keep

  public typealias Keep = @Sendable (DesiredState) -> Void

  /// For a plane of which nothing is wanted yet, or what it goes on with.
  ///
  /// - Parameters:
  ///   - reports: where the watch of the facilities puts what it has to tell.
  ///   - keep: called with what is about to be in force.
  public init(
    _ plane: any ForwardingPlane, facilities: Facilities = Facilities(), reports: HealthReports = HealthReports(),
    logger: Logger, resuming state: DesiredState? = nil, keep: @escaping Keep = { _ in }
  ) {
    let state = state ?? DesiredState(Self.capabilities(plane, facilities))
    (self.plane, self.facilities, self.logger, self.state, self.reports) = (plane, facilities, logger, state, reports)
    self.keep = keep
    find = { () throws(PlaneError) in state }
  }

  /// For a plane whose own table is what is wanted: it is looked at before the first change.
  public init(mirroring plane: any ForwardingPlane, find: @escaping Find) {
    (self.plane, facilities, self.find, reports, keep) = (plane, Facilities(), find, HealthReports(), { _ in })
    logger = Logger(label: "") { _ in SwiftLogNoOpLogHandler() }
  }

  public typealias Find = @Sendable () async throws(PlaneError) -> DesiredState

  /// What the plane can do, and what it has beside its forwarding.
  public nonisolated var capabilities: Capabilities { Self.capabilities(plane, facilities) }

  private static func capabilities(_ plane: any ForwardingPlane, _ facilities: Facilities) -> Capabilities {
    var capabilities = plane.capabilities
    capabilities.features.formUnion(facilities.features)
    return capabilities
  }

  /// Since the core was made.
  var now: Moment { Moment((ContinuousClock.now - start) / .milliseconds(1)) }

  /// A part that not every plane has.
  nonisolated func part<Part>(
    _ part: (Facilities) -> Part?, _ feature: Capabilities.Feature
  ) throws(PlaneError) -> Part {
    guard let part = part(facilities) else { throw capabilities.lack(of: feature) }
    return part
  }

  // MARK: Reading

  /// All services, or the one asked for.
  public func services(_ key: ServiceKey? = nil) async throws -> [ServiceStatus] {
    guard let key else {
      let statuses = try await plane.status()
      return state?.completed(statuses) ?? statuses
    }
    guard let status = try await plane.status(of: key), let service = state.map({ $0.completed(status) }) ?? status
    else { throw PlaneError.noSuchService(key) }
    return [service]
  }

  /// What is wanted of a service, where it is wanted.
  func definition(of key: ServiceKey) async throws(PlaneError) -> ServiceDefinition? {
    try await present().service(key)
  }

  /// As they are in the plane, and the one that is not the plane's.
  func settings() async throws(PlaneError) -> [String: String] {
    var settings = try await plane.settings()
    let rule = SettingRule.failedNeighbor
    if capabilities.settings.contains(rule) { settings[rule.name] = try await present().setting(rule) }
    return settings
  }

  public func configuration() async throws(PlaneError) -> Configuration { try await present().configuration }

  /// What is wanted now.
  func present() async throws(PlaneError) -> DesiredState {
    if let state { return state }
    let found = try await find()
    state = state ?? found
    return found
  }

  // MARK: Changing

  /// All of the changes, in order, or none of them.
  public func apply(_ changes: [Change]) async throws(PlaneError) {
    if changes.isEmpty { return }
    try await turns.withTurn { () async throws(PlaneError) in
      do throws(PlaneError) {
        try await validate(changes)
        var proposal = Proposal(of: try await present())
        for change in changes { try proposal.add(change, .ask) }
        try await carryOut(&proposal)
      } catch { throw refused(error, changes.count) }
      for change in changes { logger.info("change applied", metadata: change.metadata) }
    }
  }

  /// Each change by itself, in order: one that is refused holds up none after it. Those that are not are in force at
  /// one moment, where the plane takes them together.
  ///
  /// - Returns: of each change why it was refused; nil where it is in force.
  public func attempt(_ changes: [Change]) async -> [PlaneError?] {
    await turns.withTurn {
      let refusals = await refusals(of: changes)
      for (change, refusal) in zip(changes, refusals) {
        if let refusal {
          logger.warning("change refused", metadata: change.metadata.merging(["reason": "\(refusal)"]) { $1 })
        } else {
          logger.info("change applied", metadata: change.metadata)
        }
      }
      return refusals
    }
  }

  /// Makes of the state what the configuration says, with the least changes.
  ///
  /// - Parameter manner: what is done where another host has a VIP that is new.
  /// - Returns: the changes that it took.
  @discardableResult
  public func apply(
    _ configuration: Configuration, _ manner: Claim.Manner = .standBy
  ) async throws(PlaneError) -> [Change] {
    try configuration.validate()
    return try await turns.withTurn { () async throws(PlaneError) in
      let present = try await present()
      return try await become(try DesiredState(configuration, present.capabilities), from: present, manner)
    }
  }

  /// Removes all services. The rules that mark packets, timeouts and settings stay.
  public func flush() async throws(PlaneError) {
    try await turns.withTurn { () async throws(PlaneError) in
      let present = try await present()
      var next = present
      next.removeServices()
      _ = try await become(next, from: present, .ask)
    }
  }

  private func become(
    _ next: DesiredState, from present: DesiredState, _ manner: Claim.Manner
  ) async throws(PlaneError) -> [Change] {
    var proposal = Proposal(of: present, to: next, manner)
    do throws(PlaneError) {
      try await validate(proposal.changes)
      try await carryOut(&proposal)
    } catch { throw refused(error, proposal.changes.count) }
    for change in proposal.changes { logger.info("change applied", metadata: change.metadata) }
    return proposal.changes
  }

  func validate(_ changes: [Change]) async throws(PlaneError) {
    let invalid = await invalid(changes)
    for change in changes { if let refusal = invalid[change] { throw refusal } }
  }

  /// What only who watches can say against checks.
  private func invalid(_ changes: [Change]) async -> [Change: PlaneError] {
    guard let health = facilities.health else { return [:] }
    var invalid: [Change: PlaneError] = [:]
    for case .addCheck(let check, let key, let server) in changes {
      do throws(PlaneError) { try await health.validate(check) } catch {
        invalid[.addCheck(check, to: key, server: server)] = error
      }
    }
    return invalid
  }

  /// Has the plane admit and adopt what is proposed, and keeps it.
  private func carryOut(_ proposal: inout Proposal) async throws(PlaneError) {
    try proposal.next.requireCoherence()
    prepare(&proposal)
    let admission = await plane.admit(proposal.claims)
    for claim in proposal.claims { if let refusal = admission.refusals[claim.subject] { throw refusal } }
    try await adopt(proposal, admission)
    // A server that was found may have its place now, or be the operator's no more.
    if !soughtAfter.isEmpty { reports.ring() }
  }

  func adopt(_ proposal: Proposal, _ admission: Admission) async throws(PlaneError) {
    var proposal = proposal
    for definition in admission.found { try proposal.take(over: definition) }
    // Before it is in force, since from then on connections go by it.
    keep(proposal.next)
    do throws(PlaneError) {
      try await plane.adopt(
        Transition(to: proposal.next.forced, by: proposal.steps, standby: admission.standby))
    } catch {
      if let state { keep(state) }
      throw error
    }
    state = proposal.next
    watch(proposal.next, after: proposal.present)
  }

  private func refused(_ error: PlaneError, _ count: Int) -> PlaneError {
    logger.warning("change refused", metadata: ["reason": "\(error)", "changes": "\(count)"])
    return error
  }

  // MARK: Attempts

  private func refusals(of changes: [Change]) async -> [PlaneError?] {
    do throws(PlaneError) {
      let present = try await present()
      let invalid = await invalid(changes)
      var (proposal, refusals) = Proposal.each(of: changes, to: present) { change, _ in invalid[change] }
      let admission = await plane.admit(proposal.claims)
      if !admission.refusals.isEmpty {
        (proposal, refusals) = Proposal.each(of: changes, to: present) { change, claims in
          invalid[change] ?? claims.lazy.compactMap { admission.refusals[$0.subject] }.first
        }
      }
      prepare(&proposal)
      defer { if !soughtAfter.isEmpty { reports.ring() } }
      return try await adopted(proposal, admission, changes, refusals)
    } catch { return changes.map { _ in error } }
  }

  /// What a plane does not take together it may take one by one.
  private func adopted(
    _ proposal: Proposal, _ admission: Admission, _ changes: [Change], _ refusals: [PlaneError?]
  ) async throws(PlaneError) -> [PlaneError?] {
    if proposal.changes.isEmpty { return refusals }
    do throws(PlaneError) {
      try await adopt(proposal, admission)
      return refusals
    } catch {
      if changes.count == 1 { throw error }
    }
    var each: [PlaneError?] = []
    for change in changes { each += await self.refusals(of: [change]) }
    return each
  }
}
