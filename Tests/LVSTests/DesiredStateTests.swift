import LVS
import Testing

private let web = ServiceKey("tcp:192.0.2.100:80")!
private let marked = ServiceKey("fwmark:7")!

private func endpoint(_ text: String) -> Endpoint { Endpoint(text)! }
private func address(_ text: String) -> IPAddress { IPAddress(text)! }

private let capabilities = Capabilities(
  .userspace, methods: [.route], features: [.marks, .macs],
  settings: [
    SettingRule("drop_entry", .range(0...3), standard: "0"),
    SettingRule("mh_table_size", .choice([2, 3, 251]), standard: "3"),
  ])

@Suite("The desired state")
struct DesiredStateTests {
  /// A service with two servers.
  private func state(_ more: Change...) throws -> DesiredState {
    var state = DesiredState(capabilities)
    let servers = ["10.0.0.1:80", "10.0.0.2:80"].map { RealServer(endpoint($0), weight: 3) }
    for change in [.addService(VirtualService(web), force: false)] + servers.map({ .addServer($0, to: web) }) + more {
      try state.apply(change)
    }
    return state
  }

  @Test(
    "refuses what cannot be, and stays as it is",
    arguments: [
      (.addService(VirtualService(web), force: false), PlaneError.serviceExists(web).description),
      (.removeService(marked), PlaneError.noSuchService(marked).description),
      (.updateService(VirtualService(marked)), PlaneError.noSuchService(marked).description),
      (
        .addServer(RealServer(endpoint("10.0.0.1:8080")), to: web),
        PlaneError.serverExists(endpoint("10.0.0.1:80"), web).description
      ),
      (
        .drainServer(endpoint("10.0.0.9:80"), of: web),
        PlaneError.noSuchServer(endpoint("10.0.0.9:80"), web).description
      ),
      (.undrainServer(endpoint("10.0.0.1:80"), of: web), "10.0.0.1:80 is not drained (edit-rs -w sets its weight)"),
      (
        .addServer(RealServer(endpoint("192.0.2.100:80")), to: web),
        "192.0.2.100 is a VIP: name the real server by an address of its own"
      ),
      (
        .addService(VirtualService(ServiceKey("udp:10.0.0.1:53")!), force: true),
        "10.0.0.1 is a real server's address: a VIP is an address that no other host has"
      ),
      (
        .addServer(RealServer(endpoint("10.0.0.3:80"), method: .tunnel(Tunnel())), to: web),
        "the userspace data plane forwards by -g and not by -i, as 10.0.0.3:80 asks for (lbctl capabilities shows what "
          + "it can do)"
      ),
      (.set("wrong", to: "1"), "no setting 'wrong' (there are drop_entry, mh_table_size)"),
      (.set("drop_entry", to: "4"), "drop_entry takes 0 to 3, not '4'"),
      (.set("mh_table_size", to: "4"), "mh_table_size takes one of 2, 3, 251, not '4'"),
      (.setTimeouts(Timeouts(udp: .max)), "a timeout is at most 21474836 seconds"),
      (.setMarks([MarkRule(destination: Prefix("10.0.0.0/8")!, mark: 7)]), "10.0.0.0/8 has more than 256 addresses"),
    ] as [(Change, String)])
  func refused(_ change: Change, _ line: String) throws {
    var state = try state()
    let before = state
    let error = #expect(throws: PlaneError.self) { try state.apply(change) }
    #expect(error?.description.hasPrefix(line) == true, "\(error?.description ?? "")")
    #expect(state == before)
  }

  @Test("has as many servers of mh as that has slots, whatever came first")
  func maglevSlots() throws {
    var state = try state(
      .addServer(RealServer(endpoint("10.0.0.3:80")), to: web), .updateService(VirtualService(web, scheduler: .mh)))
    #expect(throws: PlaneError.full("mh has 3 slots, one for each server at least: set mh_table_size to more")) {
      try state.apply(.addServer(RealServer(endpoint("10.0.0.4:80")), to: web))
    }
    #expect(throws: PlaneError.outOfRange("service \(web) has more servers than 2")) {
      try state.apply(.set("mh_table_size", to: "2"))
    }
    try state.apply(.set("mh_table_size", to: "251"))
    try state.apply(.addServer(RealServer(endpoint("10.0.0.4:80")), to: web))
    try state.apply(.updateService(VirtualService(web)))
    try state.apply(.set("mh_table_size", to: "2"))
    #expect(throws: PlaneError.full("mh has 2 slots, one for each server at least: set mh_table_size to more")) {
      try state.apply(.updateService(VirtualService(web, scheduler: .mh)))
    }
  }

  @Test("keeps what was asked for beneath a drain")
  func layers() throws {
    var state = try state()
    let name = endpoint("10.0.0.1:80")
    for _ in 0..<2 { try state.apply(.drainServer(name, of: web)) }
    let drained = try #require(state.server(name, of: web)).weight
    #expect((drained.asked, drained.effective) == (3, 0))
    #expect(drained.holds == [.drain])
    try state.apply(.undrainServer(name, of: web))
    #expect(state.server(name, of: web)?.weight == 3)
    try state.apply(.drainServer(name, of: web))
    try state.apply(.updateServer(RealServer(name, weight: 5), of: web))
    #expect(state.server(name, of: web)?.weight == 5)
  }

  @Test("has the VIPs of its services, and of marks that have one")
  func vips() throws {
    let rule = MarkRule(destination: Prefix("192.0.2.4/31")!, mark: 7)
    var state = try state(.setMarks([rule]))
    #expect(state.vips == [address("192.0.2.100")])
    try state.apply(.addService(VirtualService(marked), force: false))
    #expect(state.vips == Set(["192.0.2.100", "192.0.2.4", "192.0.2.5"].map(address)))
    #expect(throws: PlaneError.self) {
      try state.apply(.addServer(RealServer(endpoint("192.0.2.4:80")), to: web))
    }
    try state.apply(.setMarks([]))
    #expect(state.vips == [address("192.0.2.100")])
    try state.apply(.removeService(web))
    #expect(state.vips.isEmpty)
  }

  @Test("is what its configuration says, and that says only what is not so by itself")
  func configuration() throws {
    let state = try state(.set("drop_entry", to: "01"), .set("mh_table_size", to: "3"), .setTimeouts(Timeouts(udp: 60)))
    #expect(state.configuration.settings == ["drop_entry": "1"])
    #expect(state.configuration.timeouts == Timeouts(udp: 60))
    #expect(try DesiredState(state.configuration, capabilities) == state)
    let nothing = try DesiredState(Configuration(), capabilities)
    #expect(nothing == DesiredState(capabilities))
  }
}

@Suite("Desired states made up at random")
struct RandomStateTests {
  @Test("lead to each other by their changes, step by step", arguments: 0..<60)
  func reconciled(_ seed: UInt64) throws {
    var history = History(seed: seed)
    let (one, other) = (history.state(), history.state())
    var walking = one
    for change in changes(from: one, to: other) { try walking.apply(change) }
    #expect(Self.unordered(walking) == Self.unordered(other))
    #expect(changes(from: walking, to: other) == [])
    #expect(changes(from: one, to: one) == [])
  }

  @Test("are the same from any state and from none", arguments: 0..<60)
  func fromAnywhere(_ seed: UInt64) throws {
    var history = History(seed: seed)
    let state = history.state()
    #expect(try DesiredState(state.configuration, capabilities) == state)
  }

  @Test("hold together after every change, and a refused one changes nothing", arguments: 0..<60)
  func consistent(_ seed: UInt64) {
    var history = History(seed: seed)
    var state = DesiredState(capabilities)
    for _ in 0..<200 {
      let before = state
      do { try state.apply(history.change()) } catch { #expect(state == before) }
      #expect(state.vips == Set(state.serviceKeys.flatMap { $0.addresses(by: state.marks) }))
      for definition in state.services {
        #expect(state.service(definition.service.key) == definition)
        #expect(definition.service.scheduler != .mh || definition.servers.count <= 3)
        #expect(!definition.servers.contains { state.isVIP($0.endpoint.address) })
        #expect(Set(definition.servers.map(\.endpoint)).count == definition.servers.count)
      }
    }
  }

  /// What is left of a state when its history is forgotten, which shows in the order of things.
  private static func unordered(_ state: DesiredState) -> [String: Set<String>] {
    var parts = Dictionary(
      uniqueKeysWithValues: state.services.map { ("\($0.service)", Set($0.servers.map { "\($0)" })) })
    parts["else"] = ["\(state.marks)", "\(state.timeouts)", "\(state.settings.sorted { $0.key < $1.key })"]
    return parts
  }
}

/// Changes drawn from few names, so that they meet.
private struct History {
  private var random: UInt64

  init(seed: UInt64) { random = seed &* 2 &+ 1 }

  /// What comes of fifty changes.
  mutating func state() -> DesiredState {
    var state = DesiredState(capabilities)
    for _ in 0..<50 { try? state.apply(change()) }
    return state
  }

  mutating func change() -> Change {
    let (key, server) = (key(), server())
    switch draw(12) {
    case 0, 1: return .addService(VirtualService(key, scheduler: draw(2) == 0 ? .mh : .rr), force: false)
    case 2: return .updateService(VirtualService(key, scheduler: draw(2) == 0 ? .mh : .wlc))
    case 3: return .removeService(key)
    case 4, 5, 6: return .addServer(server, to: key)
    case 7: return .updateServer(server, of: key)
    case 8: return .removeServer(server.placed(in: key).endpoint, from: key)
    case 9:
      let endpoint = server.placed(in: key).endpoint
      return draw(2) == 0 ? .drainServer(endpoint, of: key) : .undrainServer(endpoint, of: key)
    case 10: return .setMarks((0..<draw(3)).map { _ in MarkRule(destination: prefix(), mark: UInt32(1 + draw(2))) })
    default:
      return draw(2) == 0
        ? .set("mh_table_size", to: ["2", "3"][draw(2)]) : .setTimeouts(Timeouts(udp: UInt32(draw(3) * 60)))
    }
  }

  private mutating func key() -> ServiceKey {
    draw(4) == 0 ? .fwmark(UInt32(1 + draw(2)), .v4) : .endpoint(.tcp, Endpoint(host(), [80, 443][draw(2)]))
  }

  private mutating func server() -> RealServer {
    RealServer(Endpoint(host(), 0), weight: Weight(Int32(draw(3))), upperThreshold: UInt32(draw(2)))
  }

  /// A VIP here may be a real server there.
  private mutating func host() -> IPAddress { IPAddress(v4: 0x0a00_0001 + UInt32(draw(6))) }
  private mutating func prefix() -> Prefix { Prefix(host(), length: UInt8(31 + draw(2))) }

  private mutating func draw(_ count: Int) -> Int {
    random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((random >> 33) % UInt64(count))
  }
}
