import LVS
import Logging
import Synchronization
import Testing

@testable import Control

/// A core over a memory plane, with a watch that says what a test wants.
private struct Farmed {
  static let web = key("tcp:192.0.2.100:80")
  static let servers = (1...4).map { endpoint("192.0.2.1\($0):80") }

  let plane = MemoryPlane()
  let watch = MemoryWatch()
  let neighbors = MemoryNeighbors()
  let core: ControlCore

  /// A service with four servers of weight 10 that has a check.
  init(_ farm: FarmPolicy = FarmPolicy(), _ onFailure: HealthCheck.Consequence = .quiesce) async throws {
    var facilities = Facilities()
    facilities.health = watch
    facilities.failedNeighbors = neighbors.facility
    core = ControlCore(plane, facilities: facilities, logger: Served.silent)
    let check = HealthCheck(.tcp(.init()), onFailure: onFailure)
    try await core.apply(
      [.addService(VirtualService(Self.web), force: false)]
        + Self.servers.map { .addServer(RealServer($0, weight: 10), to: Self.web) }
        + [.setFarm(farm, of: Self.web), .addCheck(check, to: Self.web, server: nil)])
  }

  /// Tells what the checks of some servers say.
  func tell(_ health: Health, _ servers: [Int]) async {
    let targets = watch.targets.filter { target in servers.contains { Self.servers[$0] == target.name.server } }
    _ = await core.follow(targets.map { .changed(TargetStatus($0, health)) })
  }

  /// Nobody answers at the addresses of these servers any more, and at those of all others somebody does.
  func fail(_ servers: [Int]) async {
    neighbors.failed.withLock { $0 = Set(servers.map { Self.servers[$0].address }) }
    _ = await core.follow([])
  }

  /// What the plane has: of each server the weight.
  var weights: [Endpoint: Int32] {
    get async {
      let servers = await plane.status().flatMap(\.servers)
      return Dictionary(uniqueKeysWithValues: servers.map { ($0.server.endpoint, $0.server.weight.effective) })
    }
  }

  func weights(_ of: [Int]) async -> [Int32?] {
    let all = await weights
    return of.map { all[Self.servers[$0]] }
  }
}

/// Neighbors that fail as a test wants.
private final class MemoryNeighbors: Sendable {
  let failed = Mutex<Set<IPAddress>>([])
  let (changes, changed) = AsyncStream<Void>.makeStream()

  var facility: FailedNeighbors {
    FailedNeighbors(addresses: { [self] in failed.withLock { $0 } }, changes: changes)
  }
}

@Suite("Services follow the health of their servers", .timeLimit(.minutes(1)))
struct HealthFollowingTests {
  private static let spare = endpoint("192.0.2.99:80")

  @Test("A server that is down weighs nothing, and what was asked for is kept")
  func quiesce() async throws {
    let farmed = try await Farmed()
    await farmed.tell(.down, [0])
    #expect(await farmed.weights([0, 1]) == [0, 10])
    let name = Farmed.servers[0]
    try await farmed.core.apply([.updateServer(RealServer(name, weight: 7), of: Farmed.web)])
    #expect(await farmed.weights([0]) == [0])
    let status = try await farmed.core.services()[0].servers.first { $0.server.endpoint == name }
    #expect(status?.server.weight.asked == 7)
    #expect(status?.effectiveWeight == 0)
    #expect(status?.weightHolds == [.health])
    #expect(try await farmed.core.configuration().services[0].servers[0].weight == 7)
    await farmed.tell(.up, [0])
    #expect(await farmed.weights([0]) == [7])
  }

  @Test("With on-failure: remove it is out of the service, still the operator's, and comes back")
  func remove() async throws {
    let farmed = try await Farmed(.init(), .remove)
    await farmed.tell(.down, [0])
    #expect(await farmed.weights.count == 3)
    let name = Farmed.servers[0]
    #expect(try await farmed.core.services()[0].servers.contains { $0.weightHolds == [.removed] })
    try await farmed.core.apply([
      .updateServer(RealServer(name, weight: 7), of: Farmed.web), .drainServer(name, of: Farmed.web),
      .undrainServer(name, of: Farmed.web),
    ])
    #expect(await farmed.weights.count == 3)
    await farmed.tell(.up, [0])
    #expect(await farmed.weights([0]) == [7])
    await farmed.tell(.down, [0])
    try await farmed.core.apply([.removeServer(name, from: Farmed.web)])
    #expect(farmed.watch.targets.count == 3)
    try await farmed.core.apply([.addServer(RealServer(name, weight: 3), to: Farmed.web)])
    #expect(await farmed.weights([0]) == [3])
  }

  @Test("Fallback servers stand in while none is left, and only then")
  func fallback() async throws {
    let farmed = try await Farmed(FarmPolicy(fallback: [RealServer(Self.spare, weight: 2)]))
    await farmed.tell(.down, [0, 1, 2])
    #expect(await farmed.weights[Self.spare] == nil)
    await farmed.tell(.down, [3])
    #expect(await farmed.weights[Self.spare] == 2)
    try await farmed.core.apply([.setFarm(FarmPolicy(fallback: [RealServer(Self.spare, weight: 5)]), of: Farmed.web)])
    #expect(await farmed.weights[Self.spare] == 5)
    await farmed.tell(.up, [2])
    #expect(await farmed.weights[Self.spare] == nil)
    #expect(await farmed.weights([2, 3]) == [10, 0])
    // Drained servers are none that are left.
    try await farmed.core.apply([.drainServer(Farmed.servers[2], of: Farmed.web)])
    #expect(await farmed.weights[Self.spare] == 5)
  }

  @Test("Where too few are healthy the checks are doubted and all are used")
  func panic() async throws {
    let farmed = try await Farmed(FarmPolicy(panic: 50))
    await farmed.tell(.down, [0, 1])
    #expect(await farmed.weights([0, 1, 2, 3]) == [0, 0, 10, 10])
    await farmed.tell(.down, [2])
    #expect(await farmed.weights([0, 1, 2, 3]) == [10, 10, 10, 10])
    await farmed.tell(.up, [1])
    #expect(await farmed.weights([0, 1, 2, 3]) == [0, 10, 0, 10])
  }

  @Test("A server at whose address nobody answers gets nobody new while another is there, whatever its checks say")
  func failedNeighbor() async throws {
    let farmed = try await Farmed()
    await farmed.fail([0])
    #expect(await farmed.weights([0, 1]) == [0, 10])
    let held = try await farmed.core.services()[0].servers.filter { !$0.weightHolds.isEmpty }
    #expect(held.map(\.weightHolds) == [[.neighbor]])
    #expect(held.map(\.server.weight.asked) == [10])
    await farmed.tell(.down, [0])
    #expect(try await farmed.core.services()[0].servers.contains { $0.weightHolds == [.health, .neighbor] })
    await farmed.fail([])
    #expect(await farmed.weights([0, 1]) == [0, 10])
    await farmed.tell(.up, [0])
    #expect(await farmed.weights([0, 1]) == [10, 10])
    #expect(try await farmed.core.configuration().services[0].servers.allSatisfy { $0.weight == 10 })
  }

  @Test("Where no neighbor answers all servers are used as before, and by the setting always")
  func allNeighborsFailed() async throws {
    let farmed = try await Farmed()
    await farmed.tell(.down, [3])
    try await farmed.core.apply([.drainServer(Farmed.servers[2], of: Farmed.web)])
    await farmed.fail([0])
    #expect(await farmed.weights([0, 1, 2, 3]) == [0, 10, 0, 0])
    await farmed.fail([0, 1])
    // A server that is drained or down is nobody to turn to.
    #expect(await farmed.weights([0, 1, 2, 3]) == [10, 10, 0, 0])
    await farmed.fail([1])
    #expect(await farmed.weights([0, 1, 2, 3]) == [10, 0, 0, 0])
    try await farmed.core.apply([.set("failed_neighbor", to: "keep")])
    #expect(await farmed.weights([0, 1]) == [10, 10])
    #expect(try await farmed.core.configuration().settings == ["failed_neighbor": "keep"])
    #expect(try await farmed.core.settings()["failed_neighbor"] == "keep")
    try await farmed.core.apply([.set("failed_neighbor", to: "quiesce")])
    #expect(await farmed.weights([0, 1]) == [10, 0])
    await #expect(throws: PlaneError.outOfRange("failed_neighbor takes quiesce or keep, not '1'")) {
      try await farmed.core.apply([.set("failed_neighbor", to: "1")])
    }
  }

  @Test("Doubt of the checks is none of neighbors; servers that stand in do so for those that cannot be reached")
  func failedNeighborsAmongOthers() async throws {
    let doubting = try await Farmed(FarmPolicy(panic: 50))
    await doubting.tell(.down, [0, 1, 2])
    await doubting.fail([0])
    #expect(await doubting.weights([0, 1, 2, 3]) == [0, 10, 10, 10])
    let spared = try await Farmed(FarmPolicy(fallback: [RealServer(Self.spare, weight: 2)]))
    await spared.fail([0, 1, 2, 3])
    #expect(await spared.weights[Self.spare] == 2)
    #expect(await spared.weights([0, 1, 2, 3]) == [0, 0, 0, 0])
    spared.neighbors.failed.withLock { _ = $0.insert(Self.spare.address) }
    _ = await spared.core.follow([])
    #expect(await spared.weights[Self.spare] == nil)
    #expect(await spared.weights([0, 1, 2, 3]) == [10, 10, 10, 10])
    let mac = MACAddress("02:00:00:00:00:09")
    try await spared.core.apply([
      .updateServer(RealServer(Farmed.servers[3], weight: 10, mac: mac), of: Farmed.web)
    ])
    #expect(await spared.weights([0, 1, 2, 3]) == [0, 0, 0, 10])
  }

  @Test("A server that is back begins with a small share of its weight, small weights included")
  func slowStart() async throws {
    let farmed = try await Farmed(FarmPolicy(slowStart: .seconds(3600)))
    await farmed.tell(.down, [0])
    await farmed.tell(.up, [0])
    #expect(await farmed.weights([0, 1]) == [10, 200])
    let grown = try #require(try await farmed.core.services()[0].servers.first { $0.weightHolds == [.slowStart] })
    #expect(grown.server.weight.asked == 10)
    try await farmed.core.apply([.setFarm(FarmPolicy(), of: Farmed.web)])
    #expect(await farmed.weights([0, 1]) == [10, 10])
  }

  @Test("Without its check a server is what was asked for")
  func unwatched() async throws {
    let farmed = try await Farmed()
    await farmed.tell(.down, [0, 1])
    try await farmed.core.apply([.addCheck(HealthCheck(.icmp), to: Farmed.web, server: Farmed.servers[1])])
    #expect(farmed.watch.targets.map(\.name.type) == [.tcp, .icmp, .tcp, .tcp])
    #expect(await farmed.weights([0, 1]) == [0, 10])
    try await farmed.core.apply([.removeCheck(nil, from: Farmed.web, server: nil)])
    #expect(await farmed.weights([0, 1]) == [10, 10])
    #expect(farmed.watch.targets.count == 1)
    let error = await #expect(throws: PlaneError.self) {
      try await farmed.core.apply([.removeCheck(.http, from: Farmed.web, server: nil)])
    }
    #expect(
      error?.description == "service tcp:192.0.2.100:80 has no http check of its own (checks shows what there is)")
  }

  @Test("A check that changes leaves a server what it was until the new one says otherwise")
  func changedCheck() async throws {
    let farmed = try await Farmed()
    await farmed.tell(.down, [0])
    try await farmed.core.apply([
      .addCheck(HealthCheck(.tcp(.init()), interval: .seconds(9)), to: Farmed.web, server: nil)
    ])
    #expect(await farmed.weights([0]) == [0])
    await farmed.tell(.up, [0])
    #expect(await farmed.weights([0]) == [10])
  }

  @Test("A pattern that is none refuses its change: with others all of them, of attempts itself alone")
  func patterns() async throws {
    let farmed = try await Farmed()
    let bad = Change.addCheck(HealthCheck(.http(.init(body: "("))), to: Farmed.web, server: nil)
    let good = Change.addCheck(HealthCheck(.icmp), to: Farmed.web, server: nil)
    await #expect(throws: PlaneError.invalid("'(' is not a regular expression")) {
      try await farmed.core.apply([good, bad])
    }
    #expect(farmed.watch.targets.count == 4)
    #expect(await farmed.core.attempt([bad, good]) == [.invalid("'(' is not a regular expression"), nil])
    #expect(farmed.watch.targets.count == 8)
  }

  @Test("What a plane refuses to follow is tried again")
  func refusal() async throws {
    let farmed = try await Farmed()
    await farmed.plane.fail(.unavailable("busy"))
    let target = farmed.watch.targets[0]
    #expect(await farmed.core.follow([.changed(TargetStatus(target, .down))]) != nil)
    #expect(await farmed.weights([0]) == [10])
    await farmed.plane.fail(nil)
    #expect(await farmed.core.follow([]) == nil)
    #expect(await farmed.weights([0]) == [0])
  }

  @Test("Whatever happens in whatever order, the steps lead the plane to what it is to have", arguments: 0..<40)
  func random(_ seed: Int) async throws {
    let farmed = try await Farmed(FarmPolicy(fallback: [RealServer(Self.spare)], panic: seed % 2 == 0 ? 30 : 0))
    var random = UInt64(seed) &* 2 &+ 1
    func draw(_ count: Int) -> Int {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((random >> 33) % UInt64(count))
    }
    for _ in 0..<60 {
      let name = Farmed.servers[draw(4)]
      let change: Change? =
        switch draw(9) {
        case 0: .addServer(RealServer(name, weight: Weight(Int32(draw(3)))), to: Farmed.web)
        case 1: .removeServer(name, from: Farmed.web)
        case 2: .updateServer(RealServer(name, weight: Weight(Int32(draw(3)))), of: Farmed.web)
        case 3: draw(2) == 0 ? .drainServer(name, of: Farmed.web) : .undrainServer(name, of: Farmed.web)
        case 4:
          .addCheck(
            HealthCheck(draw(2) == 0 ? .icmp : .tcp(.init()), onFailure: draw(2) == 0 ? .remove : .quiesce),
            to: Farmed.web, server: draw(2) == 0 ? name : nil)
        case 5: .setFarm(FarmPolicy(fallback: draw(2) == 0 ? [] : [RealServer(Self.spare)]), of: Farmed.web)
        default: nil
        }
      if draw(4) == 0 {
        await farmed.fail((0..<4).filter { _ in draw(2) == 0 })
      } else if let change {
        try? await farmed.core.apply([change])
      } else {
        let targets = farmed.watch.targets.filter { _ in draw(2) == 0 }
        _ = await farmed.core.follow(targets.map { .changed(TargetStatus($0, draw(2) == 0 ? .up : .down)) })
      }
      let has = await farmed.weights
      let stepped = await farmed.plane.stepped.services.flatMap(\.servers)
      #expect(has == Dictionary(uniqueKeysWithValues: stepped.map { ($0.endpoint, $0.weight.effective) }))
    }
    // The file that it saves, applied to nothing, is the same.
    let saved = try await farmed.core.configuration()
    #expect(try Configuration(yaml: saved.yaml()) == saved)
    try await farmed.core.apply(saved)
    #expect(try await farmed.core.configuration() == saved)
  }
}
