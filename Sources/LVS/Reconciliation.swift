/// The least changes that lead from `observed` to `desired`. All reconciliation is here.
///
/// Removals come first, so that a name can change hands; what stands in both is updated in place, which keeps its
/// connections and its place in the scheduler's order. A mere other order is no change.
public func changes(from observed: [ServiceDefinition], to desired: [ServiceDefinition]) -> [Change] {
  let difference = ServiceDifference(from: observed, to: desired)
  return difference.removals + difference.rest
}

/// The least changes that lead from one state to another of the same plane. Each of them can be applied after those
/// before it: what makes room comes first, what takes it away last.
public func changes(from present: DesiredState, to next: DesiredState) -> [Change] {
  let services = ServiceDifference(from: present.services, to: next.services)
  let settings = SettingDifference(from: present, to: next)
  return settings.raised + settings.timeouts + services.removals
    + (present.marks == next.marks ? [] : [.setMarks(next.marks)]) + services.rest + settings.lowered
}

extension ServiceDefinition {
  /// The definition as a plane has it that knows no layers of a weight.
  public var effective: ServiceDefinition {
    var definition = self
    for index in definition.servers.indices {
      definition.servers[index].weight = Weight(definition.servers[index].weight.effective)
    }
    return definition
  }
}

private struct ServiceDifference {
  private(set) var removals: [Change]
  /// In the order of what is desired.
  private(set) var rest: [Change] = []

  init(from observed: [ServiceDefinition], to desired: [ServiceDefinition]) {
    let before = Dictionary(observed.map { ($0.service.key, $0) }, uniquingKeysWith: { first, _ in first })
    let wanted = Set(desired.map(\.service.key))
    removals = observed.map(\.service.key).filter { !wanted.contains($0) }.map(Change.removeService)
    for definition in desired { add(definition, before[definition.service.key]) }
  }

  private mutating func add(_ new: ServiceDefinition, _ old: ServiceDefinition?) {
    let key = new.service.key
    guard let old else {
      rest.append(.addService(new.service, force: false))
      rest += new.servers.map { .addServer($0, to: key) }
      return
    }
    let wanted = Set(new.servers.map(\.endpoint))
    removals += old.servers.map(\.endpoint).filter { !wanted.contains($0) }.map { .removeServer($0, from: key) }
    if old.service != new.service { rest.append(.updateService(new.service)) }
    let before = Dictionary(old.servers.map { ($0.endpoint, $0) }, uniquingKeysWith: { first, _ in first })
    for server in new.servers {
      switch before[server.endpoint] {
      case nil: rest.append(.addServer(server, to: key))
      case server: break
      default: rest.append(.updateServer(server, of: key))
      }
    }
  }
}

private struct SettingDifference {
  private(set) var raised: [Change] = []
  private(set) var lowered: [Change] = []
  private(set) var timeouts: [Change] = []

  init(from present: DesiredState, to next: DesiredState) {
    for rule in next.capabilities.settings {
      let (old, new) = (present.setting(rule), next.setting(rule))
      guard old != new else { continue }
      if let old = UInt32(old), let new = UInt32(new), new < old {
        lowered.append(.set(rule.name, to: String(new)))
      } else {
        raised.append(.set(rule.name, to: new))
      }
    }
    if present.timeouts != next.timeouts { timeouts = [.setTimeouts(next.timeouts)] }
  }
}
