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
  /// The definition as a plane has it that knows no layers of a weight, and nothing of health.
  public var effective: ServiceDefinition {
    ServiceDefinition(service, servers: servers.map { $0.weighing(Weight($0.weight.effective)) })
  }

  /// What was asked for, whatever has come of it.
  public var asked: ServiceDefinition {
    var definition = self
    definition.servers = servers.filter { !$0.isDiscovered }.map {
      $0.weighing(Weight($0.weight.asked, isDrained: $0.weight.isDrained))
    }
    return definition
  }

  /// What has a service watched, and servers discovered, that has those that were named.
  var watching: [Change] {
    let key = service.key
    return (farm == FarmPolicy() ? [] : [.setFarm(farm, of: key)])
      + checks.common.map { .addCheck($0, to: key, server: nil) }
      + servers.flatMap { server in
        checks[server.endpoint].map { .addCheck($0, to: key, server: server.endpoint) }
      } + (discovery.map { [.addDiscovery($0, to: key)] } ?? [])
  }
}

extension RealServer {
  func weighing(_ weight: Weight) -> RealServer {
    var server = self
    server.weight = weight
    return server
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
      rest += new.servers.map { .addServer($0, to: key) } + new.watching
      return
    }
    let wanted = Set(new.servers.map(\.endpoint))
    removals += old.servers.map(\.endpoint).filter { !wanted.contains($0) }.map { .removeServer($0, from: key) }
    if old.service != new.service { rest.append(.updateService(new.service)) }
    // Before the servers, since one that stood in for others may come to be one of them.
    if old.farm != new.farm { rest.append(.setFarm(new.farm, of: key)) }
    let before = Dictionary(old.servers.map { ($0.endpoint, $0) }, uniquingKeysWith: { first, _ in first })
    for server in new.servers {
      switch before[server.endpoint] {
      case nil: rest.append(.addServer(server, to: key))
      case server: break
      default: rest.append(.updateServer(server, of: key))
      }
    }
    addChecks(new, old)
    if old.discovery != new.discovery {
      rest.append(new.discovery.map { .addDiscovery($0, to: key) } ?? .removeDiscovery(from: key))
    }
  }

  /// Those of removed servers are gone with them.
  private mutating func addChecks(_ new: ServiceDefinition, _ old: ServiceDefinition) {
    let key = new.service.key
    if old.checks == new.checks { return }
    for server in [nil] + new.servers.map({ Optional($0.endpoint) }) {
      let (before, after) = (old.checks[server], new.checks[server])
      if before == after { continue }
      let types = Set(after.map(\.kind.name))
      rest += before.map(\.kind.name).filter { !types.contains($0) }.map {
        .removeCheck($0, from: key, server: server)
      }
      rest += after.filter { !before.contains($0) }.map { .addCheck($0, to: key, server: server) }
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
