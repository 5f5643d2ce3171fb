import LVS
import Logging

extension Change {
  /// What a log line about the change carries beside its message.
  var metadata: Logger.Metadata {
    var fields: Logger.Metadata = service.map { ["service": "\($0)"] } ?? [:]
    switch self {
    case .addService(let service, let force):
      fields["change"] = "add-service"
      fields["scheduler"] = "\(service.scheduler.rawValue)"
      if force { fields["force"] = "true" }
    case .updateService(let service):
      fields["change"] = "edit-service"
      fields["scheduler"] = "\(service.scheduler.rawValue)"
    case .removeService: fields["change"] = "del-service"
    case .addServer(let server, _):
      fields["change"] = "add-rs"
      fields.merge(server.metadata) { _, new in new }
    case .updateServer(let server, _):
      fields["change"] = "edit-rs"
      fields.merge(server.metadata) { _, new in new }
    case .removeServer(let endpoint, _):
      fields["change"] = "del-rs"
      fields["server"] = "\(endpoint)"
    case .drainServer(let endpoint, _):
      fields["change"] = "drain-rs"
      fields["server"] = "\(endpoint)"
    case .undrainServer(let endpoint, _):
      fields["change"] = "drain-rs --undo"
      fields["server"] = "\(endpoint)"
    case .addCheck(let check, _, let server):
      fields.merge(["change": "add-check", "type": "\(check.kind.name)"]) { $1 }
      if let server { fields["server"] = "\(server)" }
    case .removeCheck(let type, _, let server):
      fields.merge(["change": "del-check", "type": "\(type?.rawValue ?? "all")"]) { $1 }
      if let server { fields["server"] = "\(server)" }
    case .setFarm(let farm, _):
      fields.merge(
        [
          "change": "edit-service", "fallback": "\(farm.fallback.map(\.endpoint.description).joined(separator: ","))",
          "slow_start": "\(farm.slowStart)", "panic": "\(farm.panic)",
        ]) { $1 }
    case .addDiscovery(let discovery, _):
      fields.merge(["change": "add-discovery", "source": "\(discovery)"]) { $1 }
    case .removeDiscovery: fields["change"] = "del-discovery"
    case .setMarks(let rules): fields.merge(["change": "mark", "rules": "\(rules.count)"]) { _, new in new }
    case .set(let name, let value): fields.merge(["change": "set", "key": "\(name)", "value": "\(value)"]) { $1 }
    case .setTimeouts(let timeouts):
      fields["change"] = "timeouts"
      fields["timeouts"] = "\(timeouts.tcp) \(timeouts.tcpFin) \(timeouts.udp)"
    }
    return fields
  }
}

extension RealServer {
  fileprivate var metadata: Logger.Metadata {
    ["server": "\(endpoint)", "weight": "\(weight.effective)", "method": "\(method)"]
  }
}

extension DirectorEvent {
  /// Writes the event to the log: a warning where the operator should act.
  public func log(to logger: Logger) {
    logger.log(level: isWarning ? .warning : .info, "\(self)", metadata: metadata)
  }

  var metadata: Logger.Metadata {
    switch self {
    case .vipTaken(let vip): ["event": "vip-taken", "vip": "\(vip)"]
    case .vipReleased(let vip): ["event": "vip-released", "vip": "\(vip)"]
    case .vipContested(let vip, let mac, let server):
      ["event": "vip-contested", "vip": "\(vip)", "mac": "\(mac)"].merging(
        server.map { ["server": "\($0)"] } ?? [:], uniquingKeysWith: { first, _ in first })
    case .vipAwaited(let vip, let mac): ["event": "vip-awaited", "vip": "\(vip)", "mac": "\(mac)"]
    case .vipYielded(let vip, let mac): ["event": "vip-yielded", "vip": "\(vip)", "mac": "\(mac)"]
    case .serverResolved(let server, let mac): ["event": "server-resolved", "server": "\(server)", "mac": "\(mac)"]
    case .serverMoved(let server, let old, let new):
      ["event": "server-moved", "server": "\(server)", "old-mac": "\(old)", "mac": "\(new)"]
    case .serverLost(let server): ["event": "server-lost", "server": "\(server)"]
    case .serverUp(let service, let server, let words):
      ["event": "server-up", "service": "\(service)", "server": "\(server)", "result": "\(words)"]
    case .serverDown(let service, let server, let words):
      ["event": "server-down", "service": "\(service)", "server": "\(server)", "result": "\(words)"]
    case .farm(let service, let state): ["event": "farm", "service": "\(service)", "state": "\(state)"]
    case .interfaceDown(let name): ["event": "interface-down", "interface": "\(name)"]
    case .interfaceUp(let name): ["event": "interface-up", "interface": "\(name)"]
    case .interfaceGone(let name): ["event": "interface-gone", "interface": "\(name)"]
    case .interfaceChanged(let name, let mac): ["event": "interface-changed", "interface": "\(name)", "mac": "\(mac)"]
    case .found(let finding): ["event": "found", "kind": "\(finding.kind.rawValue)", "subject": "\(finding.subject)"]
    case .cured(let finding): ["event": "cured", "kind": "\(finding.kind.rawValue)", "subject": "\(finding.subject)"]
    case .attached: ["event": "attached"]
    case .sized: ["event": "sized"]
    case .resumed: ["event": "resumed"]
    case .warning: ["event": "warning"]
    case .repeated(let event, let times): event.metadata.merging(["times": "\(times)"]) { _, new in new }
    }
  }
}
