import LVS
import Testing

@testable import Control

@Suite("The owner of what is wanted", .timeLimit(.minutes(1)))
struct ControlCoreTests {
  static let web = key("tcp:192.0.2.100:80")
  static let mail = key("tcp:192.0.2.101:25")
  static let add = Change.addService(VirtualService(web), force: false)
  static let server = RealServer(endpoint("192.0.2.11:80"))

  private let plane = MemoryPlane()
  private var core: ControlCore { ControlCore(plane, facilities: plane.facilities, logger: Served.silent) }

  @Test("A plane that cannot adopt a state leaves all as it was, and its error reaches the caller")
  func failingPlane() async throws {
    let core = core
    try await core.apply([Self.add, .addServer(Self.server, to: Self.web)])
    let before = try await core.configuration()
    await plane.fail(.unavailable("no room for a filter"))
    let changes: [Change] = [
      .addService(VirtualService(Self.mail), force: false), .removeService(Self.web),
      .set("expire_nodest_conn", to: "1"),
      .setTimeouts(Timeouts(udp: 1)), .setMarks([MarkRule(destination: Prefix("192.0.2.7")!, mark: 7)]),
      .drainServer(Self.server.endpoint, of: Self.web),
    ]
    for change in changes {
      await #expect(throws: PlaneError.unavailable("no room for a filter")) { try await core.apply([change]) }
    }
    await #expect(throws: PlaneError.self) { try await core.apply(Configuration()) }
    await #expect(throws: PlaneError.self) { try await core.flush() }
    #expect(await core.attempt(changes) == changes.map { _ in .unavailable("no room for a filter") })
    #expect(try await core.configuration() == before)
    await plane.fail(nil)
    try await core.apply(changes.prefix(1).map { $0 })
    #expect(try await core.services().map(\.service.key) == [Self.web, Self.mail])
  }

  @Test("What the outside world has against one change is against all of a request")
  func objections() async throws {
    let core = core
    await plane.object { claim in
      claim.subject == .vip(Self.mail.address!) && claim.manner != .force
        ? .vipContested(Self.mail.address!, MACAddress(1)) : nil
    }
    await #expect(throws: PlaneError.vipContested(Self.mail.address!, MACAddress(1))) {
      try await core.apply([Self.add, .addService(VirtualService(Self.mail), force: false)])
    }
    #expect(try await core.services() == [])
    let configuration = Configuration(services: [
      ServiceDefinition(VirtualService(Self.web)), ServiceDefinition(VirtualService(Self.mail)),
    ])
    await #expect(throws: PlaneError.self) { try await core.apply(configuration) }
    #expect(try await core.services() == [])
    // Of attempts, only that one falls, with what depends on it.
    let refusals = await core.attempt([
      .addService(VirtualService(Self.mail), force: false), .addServer(Self.server, to: Self.mail), Self.add,
    ])
    #expect(
      refusals == [
        .vipContested(Self.mail.address!, MACAddress(1)), .noSuchService(Self.mail), nil,
      ])
    try await core.apply([.addService(VirtualService(Self.mail), force: true)])
    // A VIP that is ours is asked for no more.
    try await core.apply([.addService(VirtualService(key("udp:192.0.2.101:53")), force: false)])
    #expect(try await core.services().count == 3)
  }

  @Test("A request is adopted once, however many changes it has")
  func oneMoment() async throws {
    let core = core
    try await core.apply([Self.add, .addServer(Self.server, to: Self.web), .set("expire_nodest_conn", to: "1")])
    #expect(await plane.adoptions == 1)
    _ = await core.attempt([Self.add, .addService(VirtualService(Self.mail), force: false), .removeService(Self.web)])
    #expect(await plane.adoptions == 2)
    #expect(try await core.services().map(\.service.key) == [Self.mail])
  }

  @Test("A plane's refusal of changes together has each tried by itself")
  func eachByItself() async throws {
    let core = core
    await plane.fail(only: { $0.service(Self.mail) != nil }, .notSupported("no mail"))
    let refusals = await core.attempt([Self.add, .addService(VirtualService(Self.mail), force: false)])
    #expect(refusals == [nil, .notSupported("no mail")])
    #expect(try await core.services().map(\.service.key) == [Self.web])
  }

  @Test("A sync threshold stays below its period, as a kernel has it, whichever of a request's changes comes first")
  func syncThreshold() async throws {
    let core = core
    func set(_ threshold: Int, _ period: Int) -> [Change] {
      [.set("sync_threshold", to: "\(threshold)"), .set("sync_period", to: "\(period)")]
    }
    func refusal(_ threshold: Int, _ period: Int) -> PlaneError {
      .outOfRange("sync_threshold is less than sync_period, or the latter 0; not \(threshold) and \(period)")
    }
    await #expect(throws: refusal(50, 50)) { try await core.apply([.set("sync_threshold", to: "50")]) }
    await #expect(throws: refusal(3, 2)) { try await core.apply([.set("sync_period", to: "2")]) }
    #expect(await core.attempt([.set("sync_period", to: "3"), Self.add]) == [refusal(3, 3), nil])
    for (threshold, period) in [(100, 200), (1, 2), (300, 0), (0, 1)] {
      try await core.apply(set(threshold, period))
      try await core.apply(set(3, 50).reversed())
      let configuration = Configuration(settings: ["sync_threshold": "\(threshold)", "sync_period": "\(period)"])
      try await core.apply(configuration)
      #expect(try await core.configuration() == configuration)
    }
    await #expect(throws: refusal(7, 7)) {
      try await core.apply(Configuration(settings: ["sync_threshold": "7", "sync_period": "7"]))
    }
  }

  @Test("Who reads does not wait for a request that is on its way")
  func reads() async throws {
    let core = core
    try await core.apply([Self.add])
    let probe = await plane.hold()
    let change = Task { try await core.apply([.addService(VirtualService(Self.mail), force: false)]) }
    await probe.begun
    #expect(try await core.services().map(\.service.key) == [Self.web])
    #expect(try await core.configuration().services.count == 1)
    probe.end()
    try await change.value
    #expect(try await core.services().map(\.service.key) == [Self.web, Self.mail])
  }

  @Test("Any configuration comes out the same from any state as from none")
  func fromAnywhere() async throws {
    let configurations = [
      Configuration(), Configuration(services: sampleServices.map(\.definition).filter { $0.servers.isEmpty }),
      Configuration(
        services: [
          ServiceDefinition(VirtualService(Self.web), servers: [Self.server, RealServer(endpoint("192.0.2.12:80"))])
        ], timeouts: Timeouts(udp: 7)),
      Configuration(
        services: [
          ServiceDefinition(VirtualService(Self.mail)),
          ServiceDefinition(VirtualService(Self.web), servers: [RealServer(endpoint("192.0.2.12:80"), weight: 3)]),
        ], settings: ["expire_nodest_conn": "1"]),
    ]
    for before in configurations {
      for after in configurations {
        let core = core
        try await core.apply(before)
        try await core.apply(after)
        #expect(try await core.configuration() == after)
        #expect(try await core.apply(after) == [])
      }
    }
  }

  @Test("What a plane does not have is refused in one kind of line")
  func lacks() async throws {
    let bare = ControlCore(plane, logger: Served.silent)
    for (operation, words) in [
      (API.vips.name, "listing of VIPs"), (API.takeOver.name, "VIPs to take over"), (API.neighbors.name, "neighbors"),
      (API.workers.name, "workers"), (API.verdicts.name, "verdicts"), (API.findings.name, "doctor"),
      (API.checks.name, "health checks"), (API.discoveries.name, "discovery of real servers"),
    ] {
      let error = await #expect(throws: PlaneError.self) { try await Self.call(operation, LocalOperations(of: bare)) }
      let line = try #require(error?.description)
      #expect(line.hasPrefix("the userspace data plane has no \(words)"), "\(line)")
      #expect(line.hasSuffix("(lbctl capabilities shows what it can do)"), "\(line)")
    }
    #expect(bare.capabilities.features == [.marks, .macs])
    var facilities = plane.facilities
    facilities.health = MemoryWatch()
    facilities.discovery = MemoryDiscovery()
    let whole = ControlCore(plane, facilities: facilities, logger: Served.silent)
    #expect(whole.capabilities.features == Set(Capabilities.Feature.allCases).subtracting([.localServers, .sync]))
  }

  private static func call(_ name: String, _ operations: LocalOperations) async throws {
    switch name {
    case API.vips.name: _ = try await operations.call(API.vips, Nothing())
    case API.takeOver.name: _ = try await operations.call(API.takeOver, NamedVIPs([]))
    case API.neighbors.name: _ = try await operations.call(API.neighbors, Nothing())
    case API.workers.name: _ = try await operations.call(API.workers, Nothing())
    case API.checks.name: _ = try await operations.call(API.checks, Nothing())
    case API.discoveries.name: _ = try await operations.call(API.discoveries, Nothing())
    case API.verdicts.name: _ = try await operations.call(API.verdicts, Nothing())
    default: _ = try await operations.call(API.findings, Nothing())
    }
  }
}
