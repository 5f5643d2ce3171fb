import ArgumentParser
import Foundation
import LVS

/// A step on this host: a kernel setting, or an address on lo.
enum RealServerStep: Equatable {
  case set(String, Int)
  case add(IPAddress)
  case remove(IPAddress)

  /// As one would type it.
  var command: String {
    switch self {
    case .set(let key, let value): "sysctl -w \(key)=\(value)"
    case .add(let vip): "ip address add \(vip)/\(vip.family.bits) dev lo"
    case .remove(let vip): "ip address del \(vip)/\(vip.family.bits) dev lo"
    }
  }
}

/// One thing that must be so.
struct RealServerCheck: Codable, Equatable {
  /// `vip`, `arp_ignore`, `arp_announce`, `rp_filter`, `route`, `accept_queue`.
  var name: String
  var isRight: Bool
  /// The values of `all`, of the interface, and the greater of them, which is in effect.
  var all: Int?
  var interface: Int?
  var effective: Int?
  var seen: String
  var fix: String

  enum CodingKeys: String, CodingKey {
    case name
    case isRight = "is_right"
    case all, interface, effective, seen, fix
  }
}

/// This host as a real server for one VIP.
struct RealServerHost {
  /// What direct routing needs of ARP, and what it may be.
  static let settings: [(name: String, value: Int, accepted: ClosedRange<Int>)] = [
    ("arp_ignore", 1, 1...2), ("arp_announce", 2, 2...2),
  ]

  let vip: IPAddress
  let interface: String
  /// Each address with its interface.
  let addresses: [(interface: String, address: IPAddress)]
  private let values: [String: Int]
  private let memory: RealServerMemory?

  init(_ place: RealServerPlace) throws {
    vip = place.vip
    guard let name = try place.interface ?? Self.defaultInterface(vip.family) else {
      throw ValidationError("there is no default route: name the interface with --interface")
    }
    guard FileManager.default.fileExists(atPath: "/proc/sys/net/ipv4/conf/\(name)"), !name.contains("/") else {
      throw PlaneError.unavailable("there is no interface '\(name)' (ip link shows what there is)")
    }
    interface = name
    addresses = try HostCommand.addresses()
    let (addresses, known) = (addresses, RealServerMemory.read())
    memory = known.flatMap { $0.isOf(addresses) ? $0 : nil }
    var values: [String: Int] = [:]
    for scope in ["all", name] {
      for setting in Self.settings.map(\.name) + ["rp_filter"] {
        let key = "net.ipv4.conf.\(scope).\(setting)"
        values[key] = try HostCommand.setting(key)
      }
    }
    self.values = values
  }

  private static func defaultInterface(_ family: IPAddress.Family) throws -> String? {
    let words = try HostCommand.output(["ip", "-\(family.rawValue)", "route", "show", "default"]).split(separator: " ")
    guard let at = words.firstIndex(of: "dev"), at + 1 < words.endIndex else { return nil }
    return String(words[at + 1])
  }

  private var hasVIP: Bool { addresses.contains { $0.interface == "lo" && $0.address == vip } }

  // MARK: Steps

  /// In this order: a VIP that is there before the settings could be announced.
  var setup: [RealServerStep] { settingSteps + (hasVIP ? [] : [.add(vip)]) }

  private var settingSteps: [RealServerStep] {
    guard vip.family == .v4 else { return [] }
    return ["all", interface].flatMap { scope in
      Self.settings.map { .set("net.ipv4.conf.\(scope).\($0.name)", $0.value) }
    }
  }

  /// The other way round; the settings go back after the last VIP.
  var teardown: [RealServerStep] {
    let others = (memory?.vips ?? []).filter { $0 != vip.description }
    let removal: [RealServerStep] = hasVIP ? [.remove(vip)] : []
    guard others.isEmpty, let memory else { return removal }
    return removal + memory.settings.sorted { $0.key < $1.key }.map { .set($0.key, $0.value) }
  }

  static func carryOut(_ steps: [RealServerStep], dryRun: Bool) throws {
    for step in steps {
      try write(step.command + "\n")
      guard !dryRun else { continue }
      switch step {
      case .set(let key, let value): try HostCommand.set(key, value)
      case .add, .remove: _ = try HostCommand.output(step.command.split(separator: " ").map(String.init))
      }
    }
  }

  // MARK: Memory

  /// Keeps what the settings were before the first VIP.
  func remember() throws {
    var memory = memory ?? RealServerMemory()
    if !memory.vips.contains(vip.description) { memory.vips.append(vip.description) }
    for case .set(let key, _) in settingSteps where memory.settings[key] == nil { memory.settings[key] = values[key] }
    try memory.store()
  }

  func forget() throws {
    guard var memory else { return }
    memory.vips.removeAll { $0 == vip.description }
    try memory.vips.isEmpty ? RealServerMemory.remove() : memory.store()
  }

  // MARK: Checks

  var checks: [RealServerCheck] {
    let arp = vip.family == .v4 ? Self.settings.map { check($0.name, $0.value, $0.accepted) } + [reversePath] : []
    return [presence] + elsewhere + arp
  }

  private var presence: RealServerCheck {
    RealServerCheck(
      name: "vip", isRight: hasVIP, seen: hasVIP ? "\(vip) is on lo" : "\(vip) is not on lo",
      fix: RealServerStep.add(vip).command)
  }

  private var elsewhere: [RealServerCheck] {
    addresses.filter { $0.interface != "lo" && $0.address == vip }.map { place in
      RealServerCheck(
        name: "vip", isRight: false, seen: "\(vip) is on \(place.interface), where ARP answers for it",
        fix: "ip address del \(vip)/\(vip.family.bits) dev \(place.interface)")
    }
  }

  private func values(_ name: String) -> (all: Int, own: Int) {
    (values["net.ipv4.conf.all.\(name)"] ?? 0, values["net.ipv4.conf.\(interface).\(name)"] ?? 0)
  }

  /// The kernel uses the greater value of `all` and the interface's own.
  private func check(_ name: String, _ value: Int, _ accepted: ClosedRange<Int>) -> RealServerCheck {
    let (all, own) = values(name)
    let effective = max(all, own)
    let isRight = accepted.contains(effective)
    return RealServerCheck(
      name: name, isRight: isRight, all: all, interface: own, effective: effective,
      seen: "\(name) is \(effective) on \(interface)\(isRight ? "" : ", and must be \(value)")",
      fix: "sysctl -w net.ipv4.conf.all.\(name)=\(value) net.ipv4.conf.\(interface).\(name)=\(value)")
  }

  /// Strict reverse path filtering drops clients whose way back is another interface.
  private var reversePath: RealServerCheck { reversePath(routes.first { $0.interface != interface }) }

  private func reversePath(_ other: Route?) -> RealServerCheck {
    let (all, own) = values("rp_filter")
    let isRight = max(all, own) != 1 || other == nil
    let way = other.map { ", and the way back to clients in \($0.network) is \($0.interface)" } ?? ""
    return RealServerCheck(
      name: "rp_filter", isRight: isRight, all: all, interface: own, effective: max(all, own),
      seen: "rp_filter is \(max(all, own)) on \(interface)\(isRight ? "" : way)",
      fix: "sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.\(interface).rp_filter=2")
  }

  // MARK: Ways back

  /// A way to a network: `default`, `10.0.0.0/8`.
  private struct Route {
    var network: String
    var interface: String
  }

  /// Those that are in use, of IPv4.
  private var routes: [Route] {
    // A host without the program has no other way to tell.
    let lines = (try? HostCommand.output(["ip", "-4", "route", "show"])) ?? ""
    return lines.split(whereSeparator: \.isNewline).compactMap { line in
      let words = line.split(separator: " ").map(String.init)
      guard !words.contains("linkdown"), let at = words.firstIndex(of: "dev"), at + 1 < words.count else { return nil }
      return Route(network: words[0], interface: words[at + 1])
    }
  }

  /// What an answer in the VIP's name to this client meets.
  func wayBack(to client: IPAddress) -> RealServerCheck {
    // Without the VIP on lo the kernel would refuse to look; that is said elsewhere.
    let source = hasVIP ? ["from", vip.description] : []
    let asked = ["ip", "route", "get", client.description] + source
    guard let words = try? HostCommand.output(asked).split(separator: " "), let at = words.firstIndex(of: "dev"),
      at + 1 < words.count
    else {
      return RealServerCheck(
        name: "route", isRight: false, seen: "there is no way back to \(client)",
        fix: "ip route add default via ROUTER dev \(interface)")
    }
    let name = String(words[at + 1])
    if name != interface, vip.family == .v4 {
      let strict = reversePath(Route(network: client.description, interface: name))
      if !strict.isRight { return strict }
    }
    return RealServerCheck(
      name: "route", isRight: true, seen: "the way back to \(client) is \(name)", fix: "ip route get \(client)")
  }
}
