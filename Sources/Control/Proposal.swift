import LVS

/// A request on its way: the state as it would be, what leads there, and what the outside world has a say in.
struct Proposal {
  let present: DesiredState
  private(set) var next: DesiredState
  /// What was asked for.
  private(set) var changes: [Change] = []
  /// As a plane takes them: of a drain or a check, the servers that come of it.
  private(set) var steps: [Change] = []
  private(set) var claims: [Claim] = []

  init(of present: DesiredState) {
    (self.present, next) = (present, present)
  }

  /// A whole other state, of which health is known as of the present one.
  init(of present: DesiredState, to wanted: DesiredState, _ manner: Claim.Manner) {
    var next = wanted
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
    guard farm != next.farm(key), let before = next.forced(key) else { return }
    next.settle(key, farm)
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
    case .updateService, .removeService, .removeServer, .drainServer, .undrainServer, .addCheck, .removeCheck, .set,
      .setTimeouts:
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
    case .addServer(let server, let key): return [.addServer(server.placed(in: key), to: key)]
    case .updateServer(let named, let key): return server(named.placed(in: key).endpoint, key)
    case .drainServer(let endpoint, let key), .undrainServer(let endpoint, let key): return server(endpoint, key)
    case .removeServer(let endpoint, let key):
      return before.server(endpoint, of: key)?.isOut == true ? [] : [change]
    case .setFarm(_, let key):
      return LVS.changes(from: before.forced(key).map { [$0] } ?? [], to: after.forced(key).map { [$0] } ?? [])
    case .addCheck, .removeCheck: return []
    case .addService, .updateService, .removeService, .setMarks, .set, .setTimeouts: return [change]
    }
  }
}

extension RealServer {
  /// Whether the server is out of the service for its health.
  fileprivate var isOut: Bool { weight.standing == .removed }
}
