import LVS

/// A request on its way: the state as it would be, what leads there, and what the outside world has a say in.
struct Proposal {
  let present: DesiredState
  private(set) var next: DesiredState
  /// What was asked for.
  private(set) var changes: [Change] = []
  /// As a plane takes them: of a drain, a check or a discovery, the servers that come of it.
  private(set) var steps: [Change] = []
  private(set) var claims: [Claim] = []

  init(of present: DesiredState) {
    (self.present, next) = (present, present)
  }

  /// A whole other state, of which health is known as of the present one.
  init(of present: DesiredState, to wanted: DesiredState, _ manner: Claim.Manner) {
    var next = wanted
    next.keepDiscovered(of: present)
    for key in next.serviceKeys { next.settle(key, present.farm(key)) }
    (self.present, self.next) = (present, next)
    changes = LVS.changes(from: present.asked, to: wanted)
    steps = LVS.changes(from: present.forced, to: next.forced).filter(\.isForPlane)
    for change in changes { claims += Self.claims(of: change, next, present, manner) }
  }

  /// - Throws: where the state cannot become that; the proposal is as before then.
  mutating func add(_ change: Change, _ manner: Claim.Manner) throws(PlaneError) {
    let claims = Self.claims(of: change, next, present, manner)
    let before = next
    try next.apply(change)
    changes.append(change)
    steps += Self.steps(of: change, from: before, to: next)
    self.claims += claims
  }

  /// Whether it comes to another state at all, if only in what the plane knows nothing of.
  var isOtherwise: Bool { next != present }

  /// Has a service as the health of its servers makes it.
  mutating func settle(_ key: ServiceKey, _ farm: Farm) {
    if farm == next.farm(key) { return }
    alter(key) { $0.settle(key, farm) }
  }

  /// Has a service the servers that its discovery has found, and lets go of some that have left.
  ///
  /// - Returns: what is not as it was found.
  mutating func discover(
    _ found: [FoundServer]?, of key: ServiceKey, without gone: Set<Endpoint>, except refused: [Endpoint: PlaneError]
  ) -> DiscoveryTrouble? {
    let before = Set(next.service(key)?.servers.map(\.endpoint) ?? [])
    var trouble: DiscoveryTrouble?
    alter(key) { next in
      if let found { trouble = next.discover(found, of: key, except: refused) }
      next.release(gone, of: key)
    }
    claims += (next.service(key)?.servers ?? []).filter { !before.contains($0.endpoint) }.map { Claim(.server($0)) }
    return trouble
  }

  /// Changes a service by what no request asked for.
  private mutating func alter(_ key: ServiceKey, _ body: (inout DesiredState) -> Void) {
    guard let before = next.forced(key) else { return }
    body(&next)
    steps += LVS.changes(from: [before], to: [next.forced(key) ?? before])
  }

  /// Of the changes those that can be had, each by itself, and why the others cannot.
  ///
  /// - Parameter refuse: what there is against a change with its claims.
  static func each(
    of changes: [Change], to present: DesiredState, _ refuse: (Change, [Claim]) -> PlaneError?
  ) -> (Proposal, [PlaneError?]) {
    var proposal = Proposal(of: present)
    let refusals = changes.map { change -> PlaneError? in
      do throws(PlaneError) {
        if let refusal = refuse(change, claims(of: change, proposal.next, present, .ask)) { return refusal }
        if case .set = change {
          var alone = proposal.next
          try alone.apply(change)
          try alone.requireCoherence()
        }
        try proposal.add(change, .ask)
        return nil
      } catch { return error }
    }
    return (proposal, refusals)
  }

  /// Wants what a service has that was there already.
  mutating func take(over definition: ServiceDefinition) throws(PlaneError) {
    let key = definition.service.key
    for server in definition.servers where next.server(server.endpoint, of: key) == nil {
      try add(.addServer(server, to: key), .force)
    }
  }

  private static func claims(
    of change: Change, _ next: DesiredState, _ present: DesiredState, _ manner: Claim.Manner
  ) -> [Claim] {
    func new(_ vips: [IPAddress], _ manner: Claim.Manner) -> [Claim] {
      vips.filter { !present.isVIP($0) }.map { Claim(.vip($0), manner) }
    }
    switch change {
    case .addService(let service, let force):
      let manner = force ? Claim.Manner.force : manner
      let isNew = present.service(service.key) == nil
      return (isNew ? [Claim(.service(service.key), manner)] : [])
        + new(service.key.addresses(by: next.marks), manner)
    case .setMarks(let rules): return new(next.vips(of: rules).sorted(), manner)
    case .addServer(let server, let key), .updateServer(let server, let key):
      return [Claim(.server(server.placed(in: key)), manner)]
    case .setFarm(let farm, let key): return farm.fallback.map { Claim(.server($0.placed(in: key)), manner) }
    case .updateService, .removeService, .removeServer, .drainServer, .undrainServer, .addCheck, .removeCheck,
      .addDiscovery, .removeDiscovery, .set, .setTimeouts:
      return []
    }
  }
}

extension Proposal {
  /// The change as a plane takes it, which knows no drains and no health.
  private static func steps(of change: Change, from before: DesiredState, to after: DesiredState) -> [Change] {
    func server(_ endpoint: Endpoint, _ key: ServiceKey) -> [Change] {
      after.server(endpoint, of: key).map { $0.isOut ? [] : [.updateServer($0, of: key)] } ?? []
    }
    switch change {
    case .addServer(let named, let key):
      let endpoint = named.placed(in: key).endpoint
      // One that was discovered is there.
      if before.server(endpoint, of: key) != nil { return server(endpoint, key) }
      return [.addServer(named.placed(in: key), to: key)]
    case .updateServer(let named, let key): return server(named.placed(in: key).endpoint, key)
    case .drainServer(let endpoint, let key), .undrainServer(let endpoint, let key): return server(endpoint, key)
    case .removeServer(let endpoint, let key):
      return before.server(endpoint, of: key)?.isOut == true ? [] : [change]
    case .setFarm(_, let key), .removeDiscovery(let key):
      return LVS.changes(from: before.forced(key).map { [$0] } ?? [], to: after.forced(key).map { [$0] } ?? [])
    case .addCheck, .removeCheck, .addDiscovery: return []
    case .addService, .updateService, .removeService, .setMarks, .set, .setTimeouts: return [change]
    }
  }
}

extension RealServer {
  /// Whether the server is out of the service for its health.
  fileprivate var isOut: Bool { weight.standing == .removed }
}
