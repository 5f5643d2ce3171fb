import LVS

/// A request on its way: the state as it would be, what leads there, and what the outside world has a say in.
struct Proposal {
  let present: DesiredState
  private(set) var next: DesiredState
  /// As a plane takes them: of a drain, the server that comes of it.
  private(set) var steps: [Change] = []
  private(set) var claims: [Claim] = []

  init(of present: DesiredState) {
    (self.present, next) = (present, present)
  }

  /// A whole other state.
  init(of present: DesiredState, to next: DesiredState, _ manner: Claim.Manner) {
    (self.present, self.next, steps) = (present, next, changes(from: present, to: next))
    for step in steps { claims += Self.claims(of: step, next, present, manner) }
  }

  /// - Throws: where the state cannot become that; the proposal is as before then.
  mutating func add(_ change: Change, _ manner: Claim.Manner) throws(PlaneError) {
    let claims = Self.claims(of: change, next, present, manner)
    try next.apply(change)
    steps.append(next.step(of: change))
    self.claims += claims
  }

  /// Of the changes those that can be had, each by itself, and why the others cannot.
  ///
  /// - Parameter refuse: what the outside world has against the claims of a change.
  static func each(
    of changes: [Change], to present: DesiredState, _ refuse: ([Claim]) -> PlaneError?
  ) -> (Proposal, [PlaneError?]) {
    var proposal = Proposal(of: present)
    let refusals = changes.map { change -> PlaneError? in
      do throws(PlaneError) {
        if let refusal = refuse(claims(of: change, proposal.next, present, .ask)) { return refusal }
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
    case .updateService, .removeService, .removeServer, .drainServer, .undrainServer, .set, .setTimeouts: return []
    }
  }
}

extension DesiredState {
  /// The change as a plane takes it, which knows no drains; to be asked after it was applied.
  fileprivate func step(of change: Change) -> Change {
    switch change {
    case .drainServer(let endpoint, let key), .undrainServer(let endpoint, let key):
      server(endpoint, of: key).map { .updateServer($0, of: key) } ?? change
    case .addServer(let server, let key): .addServer(server.placed(in: key), to: key)
    case .updateServer(let server, let key): .updateServer(server.placed(in: key), of: key)
    default: change
    }
  }
}
