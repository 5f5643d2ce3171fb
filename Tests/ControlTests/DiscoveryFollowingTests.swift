import LVS
import Logging
import Testing

@testable import Control

/// A core over a memory plane with a service whose servers are discovered.
private struct Discovered {
  static let web = key("tcp:192.0.2.100:80")
  static let lookup = Discovery(.dns(DNSLookup("web.example.lan")), grace: .seconds(3600))

  let plane = MemoryPlane()
  let watch = MemoryWatch()
  let discovery = MemoryDiscovery()
  let core: ControlCore

  init(_ discovery: Discovery = lookup, resuming state: DesiredState? = nil) async throws {
    var facilities = plane.facilities
    facilities.health = watch
    facilities.discovery = self.discovery
    core = ControlCore(plane, facilities: facilities, logger: Served.silent, resuming: state)
    guard state == nil else {
      try await core.resume()
      return
    }
    try await core.apply([
      .addService(VirtualService(Self.web), force: false), .addDiscovery(discovery, to: Self.web),
    ])
  }

  static func server(_ number: Int) -> Endpoint { Endpoint(IPAddress(v4: 0xc000_0200 + UInt32(number)), 80) }

  /// The source names these servers, by the last byte of their addresses.
  @discardableResult
  func find(_ numbers: [Int], weight: Int32? = nil) async -> Duration? {
    await tell(.found(numbers.map { FoundServer(Self.server($0).address, weight: weight) }))
  }

  @discardableResult
  func tell(_ outcome: DiscoveryOutcome) async -> Duration? {
    await core.follow(discovery.targets.map { .discovered($0, outcome) })
  }

  /// What the plane has: of each server the weight, by the last byte of its address.
  var weights: [Int: Int32] {
    get async {
      let servers = await plane.status().flatMap(\.servers)
      return Dictionary(
        uniqueKeysWithValues: servers.map { (Int($0.server.endpoint.address.v4 & 0xff), $0.server.weight.effective) })
    }
  }

  var findings: [LVS.Finding.Kind] {
    get async throws { try await core.findings().map(\.kind).filter { $0 != .vipAnswered } }
  }
}

@Suite("Services follow what is discovered", .timeLimit(.minutes(1)))
struct DiscoveryFollowingTests {
  @Test("Servers that are found are used, with their weights, and watched")
  func found() async throws {
    let discovered = try await Discovered()
    try await discovered.core.apply([.addCheck(HealthCheck(.icmp), to: Discovered.web, server: nil)])
    #expect(discovered.discovery.targets == [DiscoveryTarget(Discovered.web, Discovered.lookup)])
    await discovered.find([11, 12], weight: 3)
    #expect(await discovered.weights == [11: 3, 12: 3])
    #expect(discovered.watch.targets.map(\.name.server) == [11, 12].map(Discovered.server))
    await discovered.find([11, 12, 13], weight: 5)
    #expect(await discovered.weights == [11: 5, 12: 5, 13: 5])
    let listed = try await discovered.core.services()[0].servers
    #expect(listed.allSatisfy { $0.server.isDiscovered } && listed.count == 3)
  }

  @Test("No file says them: neither a saved one, nor the differences from one")
  func saved() async throws {
    let discovered = try await Discovered()
    let before = try await discovered.core.configuration()
    await discovered.find([11, 12])
    #expect(try await discovered.core.configuration() == before)
    #expect(try await discovered.core.drift(before).isEmpty)
    #expect(try await discovered.core.apply(before).isEmpty)
    #expect(await discovered.weights == [11: 1, 12: 1])
    #expect(try Configuration(yaml: before.yaml()) == before)
  }

  @Test("One that is no longer found gets nobody new, and goes when its connections have ended")
  func leaving() async throws {
    let discovered = try await Discovered()
    await discovered.find([11, 12])
    await discovered.plane.connect([Discovered.server(12)])
    #expect(await discovered.find([11]) != nil)
    #expect(await discovered.weights == [11: 1, 12: 0])
    #expect(await discovered.core.follow([]) != nil)
    #expect(await discovered.weights == [11: 1, 12: 0])
    #expect(try await discovered.core.services()[0].servers.contains { $0.weightHolds == [.leaving] })
    await discovered.plane.connect([])
    #expect(await discovered.core.follow([]) == nil)
    #expect(await discovered.weights == [11: 1])
  }

  @Test("It goes after its grace whatever connections it has, and stays where it is found again before")
  func grace() async throws {
    let discovered = try await Discovered()
    await discovered.plane.connect([Discovered.server(12)])
    await discovered.find([11, 12])
    await discovered.find([11])
    await discovered.find([11, 12])
    #expect(await discovered.core.follow([]) == nil)
    #expect(await discovered.weights == [11: 1, 12: 1])
    var hasty = Discovered.lookup
    hasty.grace = .milliseconds(0)
    try await discovered.core.apply([.addDiscovery(hasty, to: Discovered.web)])
    #expect(await discovered.weights == [11: 1, 12: 1])
    await discovered.find([11])
    #expect(await discovered.weights == [11: 1, 12: 0])
    #expect(await discovered.core.follow([]) == nil)
    #expect(await discovered.weights == [11: 1])
  }

  @Test("No answer keeps what was found last, and is a finding until there is one")
  func failure() async throws {
    let discovered = try await Discovered()
    await discovered.find([11, 12])
    await discovered.tell(.failed("192.0.2.53:53 answers SERVFAIL"))
    #expect(await discovered.weights == [11: 1, 12: 1])
    #expect(try await discovered.findings == [.discoveryFailed])
    let status = try await discovered.core.discoveryStatus()
    #expect(status.map(\.trouble) == ["192.0.2.53:53 answers SERVFAIL"])
    #expect(DiscoveryListing.text(status).contains("192.0.2.53:53 answers SERVFAIL"))
    await discovered.find([12])
    #expect(try await discovered.findings.isEmpty)
    #expect(try await discovered.core.discoveryStatus()[0].servers.map(\.isLeaving) == [true, false])
  }

  @Test("Of five hundred servers as many are used as may be, the same ones whatever the order")
  func limit() async throws {
    let discovered = try await Discovered()
    let all = (0..<500).map { FoundServer(IPAddress(v4: 0x0a00_0001 + UInt32($0))) }
    await discovered.tell(.found(all))
    let used = Set(try await discovered.core.services()[0].servers.map(\.server.endpoint))
    #expect(used.count == Discovery.limit)
    #expect(try await discovered.findings == [.discoveryIncomplete])
    await discovered.tell(.found(all.reversed()))
    #expect(Set(try await discovered.core.services()[0].servers.map(\.server.endpoint)) == used)
    #expect(await discovered.plane.adoptions == 2)
  }

  @Test("Servers that were named stay as they are, and one that is named is the operator's from then on")
  func configured() async throws {
    let discovered = try await Discovered()
    try await discovered.core.apply([.addServer(RealServer(Discovered.server(11), weight: 7), to: Discovered.web)])
    await discovered.find([11, 12, 13])
    #expect(await discovered.weights == [11: 7, 12: 1, 13: 1])
    await #expect(throws: PlaneError.self) {
      try await discovered.core.apply([.removeServer(Discovered.server(12), from: Discovered.web)])
    }
    await #expect(throws: PlaneError.self) {
      let check = Change.addCheck(HealthCheck(.icmp), to: Discovered.web, server: Discovered.server(12))
      try await discovered.core.apply([check])
    }
    try await discovered.core.apply([
      .addServer(RealServer(Discovered.server(12), weight: 9), to: Discovered.web),
      .updateServer(RealServer(Discovered.server(13), weight: 8), of: Discovered.web),
    ])
    #expect(await discovered.weights == [11: 7, 12: 9, 13: 8])
    #expect(try await discovered.core.configuration().services[0].servers.count == 3)
    await discovered.find([14])
    _ = await discovered.core.follow([])
    #expect(await discovered.weights == [11: 7, 12: 9, 13: 8, 14: 1])
    // Where the operator takes his own away it is found as before.
    await discovered.find([13, 14])
    try await discovered.core.apply([.removeServer(Discovered.server(13), from: Discovered.web)])
    _ = await discovered.core.follow([])
    #expect(await discovered.weights == [11: 7, 12: 9, 13: 1, 14: 1])
  }

  @Test("A drain outlives the next answer; with the discovery go its servers, and no others")
  func drained() async throws {
    let discovered = try await Discovered()
    try await discovered.core.apply([.addServer(RealServer(Discovered.server(11)), to: Discovered.web)])
    await discovered.find([12, 13])
    try await discovered.core.apply([.drainServer(Discovered.server(12), of: Discovered.web)])
    await discovered.find([12, 13, 14], weight: 4)
    #expect(await discovered.weights == [11: 1, 12: 0, 13: 4, 14: 4])
    try await discovered.core.apply([.removeDiscovery(from: Discovered.web)])
    #expect(await discovered.weights == [11: 1])
    #expect(discovered.discovery.targets.isEmpty)
    await #expect(throws: PlaneError.self) {
      try await discovered.core.apply([.removeDiscovery(from: Discovered.web)])
    }
  }

  @Test("What the outside world refuses is left out; where that is all, what was found last stays")
  func refused() async throws {
    let discovered = try await Discovered()
    let own = Discovered.server(12)
    await discovered.plane.object { claim in
      if case .server(let server) = claim.subject, server.endpoint == own {
        .invalid("the director's own")
      } else {
        nil
      }
    }
    await discovered.find([11, 12])
    #expect(await discovered.weights == [11: 1])
    #expect(try await discovered.findings == [.discoveryIncomplete])
    await discovered.find([12])
    #expect(await discovered.weights == [11: 1])
    #expect(try await discovered.findings == [.discoveryFailed])
    // Nor does a VIP become a server.
    await discovered.find([100])
    #expect(await discovered.weights == [11: 1])
  }

  @Test("What the plane cannot have is a finding, holds up no health, and is tried again")
  func full() async throws {
    let discovered = try await Discovered()
    await discovered.find([11])
    await discovered.plane.fail(.full("no room"))
    #expect(await discovered.find([11, 12]) != nil)
    #expect(await discovered.weights == [11: 1])
    #expect(try await discovered.findings == [.discoveryFailed])
    await discovered.plane.fail(nil)
    #expect(await discovered.core.follow([]) == nil)
    #expect(await discovered.weights == [11: 1, 12: 1])
    #expect(try await discovered.findings.isEmpty)
  }

  @Test("One service that the plane refuses leaves the others theirs")
  func fullOfOne() async throws {
    let discovered = try await Discovered()
    let other = key("tcp:192.0.2.101:80")
    try await discovered.core.apply([
      .addService(VirtualService(other), force: false), .addDiscovery(Discovered.lookup, to: other),
    ])
    await discovered.plane.fail(
      only: { $0.service(other)?.servers.isEmpty == false }, .full("no room"))
    await discovered.find([11])
    #expect(await discovered.plane.status().map(\.servers.count) == [1, 0])
  }

  @Test("Over a restart the servers that were found last are kept, drains and leaves included")
  func restart() async throws {
    let discovered = try await Discovered()
    await discovered.find([11, 12, 13])
    await discovered.plane.connect([Discovered.server(13)])
    try await discovered.core.apply([.drainServer(Discovered.server(12), of: Discovered.web)])
    await discovered.find([11, 12])
    let state = try await discovered.core.present()
    let kept = try DesiredState(kept: state.kept(), state.capabilities)
    #expect(kept == state)
    let next = try await Discovered(resuming: kept)
    #expect(next.discovery.targets.count == 1)
    await next.plane.connect([Discovered.server(13)])
    await next.tell(.failed("no answer"))
    #expect(try await next.core.discoveryStatus()[0].servers.map(\.isLeaving) == [false, false, true])
    await next.find([11, 12, 13])
    #expect(try await next.core.discoveryStatus()[0].servers.map(\.isLeaving) == [false, false, false])
  }

  @Test("Another source takes over where the one before it ended")
  func anotherSource() async throws {
    let discovered = try await Discovered()
    await discovered.find([11, 12])
    try await discovered.core.apply([.addDiscovery(Discovery(.file("/etc/servers")), to: Discovered.web)])
    let stale = DiscoveryTarget(Discovered.web, Discovered.lookup)
    _ = await discovered.core.follow([.discovered(stale, .found([FoundServer(Discovered.server(15).address)]))])
    #expect(await discovered.weights == [11: 1, 12: 1])
    await discovered.find([12, 13])
    _ = await discovered.core.follow([])
    #expect(await discovered.weights == [12: 1, 13: 1])
  }

  @Test("Whatever happens in whatever order, the steps lead the plane to what it is to have", arguments: 0..<40)
  func random(_ seed: Int) async throws {
    let discovered = try await Discovered()
    var random = UInt64(seed) &* 2 &+ 1
    func draw(_ count: Int) -> Int {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((random >> 33) % UInt64(count))
    }
    func some() -> [Int] { (11...15).filter { _ in draw(2) == 0 } }
    for _ in 0..<60 {
      let name = Discovered.server(11 + draw(5))
      switch draw(9) {
      case 0: try? await discovered.core.apply([.addServer(RealServer(name, weight: 2), to: Discovered.web)])
      case 1: try? await discovered.core.apply([.removeServer(name, from: Discovered.web)])
      case 2: try? await discovered.core.apply([.drainServer(name, of: Discovered.web)])
      case 3:
        try? await discovered.core.apply([
          draw(2) == 0 ? .removeDiscovery(from: Discovered.web) : .addDiscovery(Discovered.lookup, to: Discovered.web)
        ])
      case 4: await discovered.plane.connect(Set(some().map(Discovered.server)))
      case 5: await discovered.tell(.failed("no answer"))
      case 6: try await discovered.core.apply(try await discovered.core.configuration())
      default:
        let found = some()
        if !found.isEmpty { await discovered.find(found, weight: Int32(draw(3))) }
      }
      let has = await discovered.weights
      let stepped = await discovered.plane.stepped.services.flatMap(\.servers)
      #expect(
        has
          == Dictionary(
            uniqueKeysWithValues: stepped.map { (Int($0.endpoint.address.v4 & 0xff), $0.weight.effective) }))
      let state = try await discovered.core.present()
      let kept = try DesiredState(kept: state.kept(), state.capabilities)
      #expect(Set(kept.service(Discovered.web)?.servers ?? []) == Set(state.service(Discovered.web)?.servers ?? []))
      #expect(state.asked.service(Discovered.web)?.servers.contains(where: \.isDiscovered) == false)
    }
  }
}
