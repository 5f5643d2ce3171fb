import LVS

/// How services follow what is found of their servers.
extension ControlCore {
  /// How often is looked whether servers on their way out still have connections.
  private static let pace = Duration.milliseconds(500)
  /// Between two tries of what the plane refused.
  private static let patience = Duration.seconds(5)

  /// What is to become of a service: what was found, and who has left.
  private struct Finding {
    let key: ServiceKey
    let found: [FoundServer]?
    let gone: Set<Endpoint>
  }

  /// Puts in force what was found.
  ///
  /// - Returns: when something more is due; nil where nothing is.
  func followDiscoveries() async -> Duration? {
    if discoveries.pages.isEmpty { return nil }
    return await turns.withTurn {
      guard let state else { return nil }
      let findings = await findings(state)
      var isDone = await putInForce(findings)
      if !isDone { isDone = await putEachInForce(findings) }
      let isWaiting = findings.contains { self.state?.leaving($0.key).isEmpty == false }
      return isDone ? (isWaiting ? Self.pace : nil) : Self.patience
    }
  }

  /// What is known now, in the order of services.
  private func findings(_ state: DesiredState) async -> [Finding] {
    var findings: [Finding] = []
    for target in state.discoveryTargets {
      let key = target.service
      let leaving = state.leaving(key)
      discoveries.note(leaving: leaving, of: key, at: now)
      let gone = leaving.isEmpty ? [] : await gone(leaving, of: target)
      findings.append(Finding(key: key, found: discoveries.pages[key]?.answer, gone: gone))
    }
    return findings
  }

  /// Those that have no connections any more, or have had time enough for them. That they get no new ones is in force
  /// already, so none can come meanwhile.
  private func gone(_ leaving: [Endpoint], of target: DiscoveryTarget) async -> Set<Endpoint> {
    let since = discoveries.pages[target.service]?.leaving ?? [:]
    let now = now
    let late = leaving.filter { now - min(since[$0] ?? now, now) >= Moment(target.discovery.grace.milliseconds) }
    // A plane that cannot tell is asked again.
    guard let status = try? await plane.status(of: target.service) else { return Set(late) }
    let busy = status.servers.filter { $0.activeConnections > 0 || $0.inactiveConnections > 0 }
    return Set(late).union(Set(leaving).subtracting(busy.map(\.server.endpoint)))
  }

  /// All at one moment; whether the plane takes it.
  private func putInForce(_ findings: [Finding]) async -> Bool {
    guard let state else { return true }
    var (proposal, troubles) = Self.propose(findings, to: state, except: [:])
    let refused = await plane.admit(proposal.claims).refusedServers
    if !refused.isEmpty { (proposal, troubles) = Self.propose(findings, to: state, except: refused) }
    var failure: PlaneError?
    if proposal.isOtherwise {
      prepare(&proposal)
      do throws(PlaneError) { try await adopt(proposal, Admission()) } catch { failure = error }
      if failure == nil { tell(findings.map(\.key), from: state, to: proposal.next) }
    }
    for finding in findings {
      note(
        failure.map { .failed("what it says cannot be put in force: \($0)") } ?? troubles[finding.key], of: finding.key)
    }
    return failure == nil
  }

  /// What a plane does not take together it may take one by one.
  private func putEachInForce(_ findings: [Finding]) async -> Bool {
    if findings.count == 1 { return false }
    var isDone = true
    for finding in findings {
      let isInForce = await putInForce([finding])
      isDone = isDone && isInForce
    }
    return isDone
  }

  private static func propose(
    _ findings: [Finding], to state: DesiredState, except refused: [Endpoint: PlaneError]
  ) -> (Proposal, [ServiceKey: DiscoveryTrouble]) {
    var proposal = Proposal(of: state)
    var troubles: [ServiceKey: DiscoveryTrouble] = [:]
    for finding in findings {
      troubles[finding.key] = proposal.discover(
        finding.found, of: finding.key, without: finding.gone, except: refused)
    }
    return (proposal, troubles)
  }

  // MARK: Telling

  /// How many servers are named in a line of the log.
  private static let named = 8

  private func tell(_ keys: [ServiceKey], from before: DesiredState, to after: DesiredState) {
    for key in keys {
      let (old, new) = (before.discovered(key), after.discovered(key))
      let parts = [
        ("found", new.subtracting(old)), ("leaving", Set(after.leaving(key)).subtracting(before.leaving(key))),
        ("removed", old.subtracting(new)),
      ]
      for (what, servers) in parts where !servers.isEmpty {
        let names = servers.sorted().prefix(Self.named).map(\.description).joined(separator: ", ")
        let more = servers.count > Self.named ? " and \(servers.count - Self.named) more" : ""
        logger.info("discovery", metadata: ["service": "\(key)", "\(what)": "\(names)\(more)"])
      }
    }
  }

  /// Tells of trouble once, and of its end.
  private func note(_ trouble: DiscoveryTrouble?, of key: ServiceKey) {
    guard let discovery = discoveries.pages[key]?.discovery else { return }
    let before = discoveries.note(trouble, of: key)
    let after = discoveries.pages[key]?.trouble
    if before == after { return }
    if let before { DirectorEvent.cured(before.finding(discovery, key)).log(to: logger) }
    if let after { DirectorEvent.found(after.finding(discovery, key)).log(to: logger) }
  }
}

extension Admission {
  fileprivate var refusedServers: [Endpoint: PlaneError] {
    var refused: [Endpoint: PlaneError] = [:]
    for case (.server(let server), let refusal) in refusals { refused[server.endpoint] = refusal }
    return refused
  }
}

extension DesiredState {
  /// The servers that a discovery has found, also those on their way out.
  func discovered(_ key: ServiceKey) -> Set<Endpoint> {
    Set(service(key)?.servers.lazy.filter(\.isDiscovered).map(\.endpoint) ?? [])
  }
}
