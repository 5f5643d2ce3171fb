import LVS
import Logging

/// How services follow the health of their servers.
extension ControlCore {
  /// Between two tries of what the plane refused.
  private static let patience = Duration.seconds(1)

  /// Takes over what a watch has told, and puts what follows from it in force.
  ///
  /// - Returns: when something more is due; nil where nothing is.
  func follow(_ reports: [HealthReport]) async -> Duration? {
    for report in reports { take(report) }
    return [await followHealth(), await followDiscoveries()].compactMap(\.self).min()
  }

  private func followHealth() async -> Duration? {
    await turns.withTurn {
      guard let state else { return nil }
      var proposal = Proposal(of: state)
      let due = settle(&proposal, by: book)
      guard !proposal.steps.isEmpty || proposal.isOtherwise else { return due }
      do throws(PlaneError) {
        try await adopt(proposal, Admission())
        return due
      } catch {
        logger.warning("the health of servers is not followed: \(error)")
        return Self.patience
      }
    }
  }

  /// Has the servers watched and looked for of what the core goes on with: what was known of their health ended with the process before.
  public func resume() async throws(PlaneError) {
    try await turns.withTurn { () async throws(PlaneError) in
      var proposal = Proposal(of: try await present())
      if proposal.next.checkTargets.isEmpty, proposal.next.discoveryTargets.isEmpty { return }
      prepare(&proposal)
      try await adopt(proposal, Admission())
    }
  }

  /// Watches nothing any more; to be called once, at the end.
  public func stopWatching() async {
    await facilities.health?.stop()
    await facilities.discovery?.stop()
  }

  /// Has the services of a request as the health of their servers makes them, of those that are watched from then on.
  func prepare(_ proposal: inout Proposal) {
    var book = book
    book.watch(proposal.next.checkTargets)
    // The alarm was set by what there was before.
    if settle(&proposal, by: book) != nil { reports.ring() }
  }

  /// Has each service as the health of its servers makes it.
  ///
  /// - Returns: when a weight grows next; nil where none does.
  private func settle(_ proposal: inout Proposal, by book: HealthBook) -> Duration? {
    let now = now
    let failed = proposal.next.quiescesFailedNeighbors ? facilities.failedNeighbors?.addresses() ?? [] : []
    var due: Moment?
    for definition in proposal.next.services {
      let key = definition.service.key
      let isUnwatched = definition.checks.isEmpty && definition.farm.fallback.isEmpty && failed.isEmpty
      let farm = isUnwatched ? Farm.unwatched : Farm(definition, book.health(of: key), failed: failed, at: now)
      proposal.settle(key, farm)
      if let next = farm.due { due = min(due ?? next, next) }
    }
    return due.map { .milliseconds(Int64(clamping: $0 - min(now, $0))) }
  }

  /// Has what is wanted watched, and tells of services that fare otherwise than before.
  func watch(_ next: DesiredState, after before: DesiredState) {
    for key in next.serviceKeys where next.farm(key).state != before.farm(key).state {
      DirectorEvent.farm(key, next.farm(key).state).log(to: logger)
    }
    seek(next.discoveryTargets)
    guard let health = facilities.health else { return }
    let targets = next.checkTargets
    guard targets != watched else { return }
    watched = targets
    book.watch(targets)
    health.watch(targets)
  }

  /// Has servers looked for.
  private func seek(_ targets: [DiscoveryTarget]) {
    guard let discovery = facilities.discovery, targets != soughtAfter else { return }
    soughtAfter = targets
    discoveries.watch(targets)
    discovery.watch(targets)
  }

  private func take(_ report: HealthReport) {
    switch report {
    case .discovered(let target, let outcome): discoveries.take(outcome, of: target, at: now)
    case .warning(let text): DirectorEvent.warning(text).log(to: logger)
    case .unclear(let name, let words):
      DirectorEvent.warning("\(name.server) of \(name.service) cannot be checked by \(name.type): \(words)")
        .log(to: logger)
    case .changed(let status):
      guard let health = book.take(status, at: now) else { return }
      let (service, server, words) = (status.name.service, status.name.server, status.last?.outcome.words ?? "")
      let event: DirectorEvent =
        health == .down ? .serverDown(service, server, words) : .serverUp(service, server, words)
      event.log(to: logger)
    }
  }
}
