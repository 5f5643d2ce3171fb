import LVS
import Synchronization
import Testing

@testable import Director

private let vip = IPAddress("10.1.0.100")!

private func key(_ port: UInt16) -> ServiceKey { .endpoint(.udp, Endpoint(vip, port)) }

/// A service of datagrams that leave nothing behind, with these servers.
private func definition(_ port: UInt16, _ servers: [Int], _ scheduler: SchedulerName = .rr) -> ServiceDefinition {
  ServiceDefinition(
    VirtualService(key(port), scheduler: scheduler, onePacket: true),
    servers: servers.map { RealServer(TestDirector.server($0, port: port), mac: TestDirector.mac($0)) })
}

extension Services {
  fileprivate func stage(_ services: [ServiceDefinition]) throws {
    let next = try DesiredState(Configuration(services: services), .userspace)
    try stage(next, by: changes(from: desired, to: next), now: 0)
  }
}

@Suite("A change that is staged")
struct StagingTests {
  private func outcomes(_ director: TestDirector, _ port: UInt16, _ count: Int) -> [String] {
    (0..<count).map { director.outcome(TestFrame().udp(from: 1_000 + UInt16($0), to: port)) }
  }

  @Test("shows nowhere before it is published, and then everywhere", arguments: SchedulerName.all)
  func publication(_ scheduler: SchedulerName) throws {
    let director = try TestDirector()
    let before = [definition(53, [1, 2], scheduler), definition(54, [1, 2], scheduler)]
    try director.services.stage(before)
    director.defend(freePages: .max)
    let status = director.services.status()
    try director.services.stage([definition(53, [3], scheduler), definition(55, [3], scheduler)])
    #expect(outcomes(director, 53, 4).allSatisfy { ["1", "2"].contains($0) })
    #expect(outcomes(director, 54, 4).allSatisfy { ["1", "2"].contains($0) })
    #expect(outcomes(director, 55, 1) == ["unreach"])
    #expect(director.services.status().map(\.service) == status.map(\.service))
    // The worker takes it over with the next connection, wherever it is in its batch.
    director.services.publish(link: director.link, freePages: .max)
    #expect(outcomes(director, 53, 2) == ["3", "3"])
    #expect(outcomes(director, 54, 1) == ["unreach"])
    #expect(outcomes(director, 55, 1) == ["3"])
  }

  /// As in a kernel (`ip_vs_edit_service`).
  @Test("leaves whose turn it is where it was, if it is of no server", arguments: [SchedulerName.rr, .wrr])
  func turn(_ scheduler: SchedulerName) throws {
    let director = try TestDirector()
    let definition = definition(53, [1, 2, 3], scheduler)
    try director.services.stage([definition])
    director.defend(freePages: .max)
    let round = outcomes(director, 53, 3)
    #expect(Set(round) == ["1", "2", "3"])
    for server in round {
      try director.apply(.updateService(definition.service))
      #expect(outcomes(director, 53, 1) == [server])
    }
  }

  @Test("leaves nothing behind when it is abandoned")
  func abandoned() throws {
    let director = try TestDirector()
    let services = director.services
    try services.stage([definition(53, [1, 2])])
    director.defend(freePages: .max)
    let (before, other) = (services.desired, IPAddress("10.1.0.101")!)
    for _ in 0..<3 {
      try services.stage([
        definition(53, [1, 3]), definition(55, [4]),
        ServiceDefinition(VirtualService(.endpoint(.tcp, Endpoint(other, 80)))),
      ])
      #expect(services.numbered([vip, other]).count == 2)
      services.abandon()
    }
    #expect(services.desired == before)
    #expect(services.numbered([vip, other]) == [vip: 0])
    #expect(services.slots.count { $0 != nil } == 1)
    #expect(Set(outcomes(director, 53, 4)) == ["1", "2"])
    // Numbers that were given out are given out again.
    let free = try #require(services.shared.servers.allocate(service: 0, endpoint: TestDirector.server(9)))
    #expect(free.rawValue <= 3)
  }

  @Test("is refused whole where there are not enough numbers, and all is as it was")
  func exhausted() throws {
    let director = try TestDirector()
    let services = director.services
    try services.stage([definition(53, [1])])
    director.defend(freePages: .max)
    let many = (0..<ServiceTable.capacity).map { number in
      let address = IPAddress(v4: 0x0b00_0000 + UInt32(number / 60_000))
      return ServiceDefinition(VirtualService(.endpoint(.tcp, Endpoint(address, UInt16(1 + number % 60_000)))))
    }
    #expect(throws: PlaneError.full("65536 services are the most there can be")) {
      try services.stage([definition(53, [1])] + many)
    }
    #expect(services.desired.serviceKeys == [key(53)])
    #expect(services.slots.count { $0 != nil } == 1)
    #expect(services.numbered([vip, IPAddress(v4: 0x0b00_0000)]) == [vip: 0])
    #expect(outcomes(director, 53, 1) == ["1"])
  }

  @Test("takes a server that it removes and adds again back with its connections")
  func takenBack() throws {
    let director = try TestDirector()
    let web = ServiceKey.endpoint(.tcp, Endpoint(vip, 80))
    let server = RealServer(TestDirector.server(1), mac: TestDirector.mac(1))
    try director.apply(.addService(VirtualService(web, scheduler: .rr), force: false), .addServer(server, to: web))
    #expect(director.outcome(TestFrame().tcp("S", from: 1_000, to: 80)) == "1")
    try director.adopt([
      .removeServer(server.endpoint, from: web), .addServer(server, to: web), .removeService(web),
      .addService(VirtualService(web, scheduler: .wlc), force: false), .addServer(server, to: web),
    ])
    #expect(director.outcome(TestFrame().tcp("A", from: 1_000, to: 80)) == "1")
    #expect(director.counts(web)[server.endpoint] == [1, 1, 0])
  }

  @Test("edits the list step by step, as a scheduler that goes on has to hear it")
  func edits() throws {
    let director = try TestDirector()
    let services = director.services
    try services.stage([definition(53, [1, 2, 3])])
    director.defend(freePages: .max)
    #expect(outcomes(director, 53, 2) == ["3", "2"])
    // Of 4 3 2 1 the second was chosen last; without it, its predecessor stands for it.
    try director.adopt([
      .addServer(definition(53, [4]).servers[0], to: key(53)),
      .removeServer(TestDirector.server(2, port: 53), from: key(53)),
    ])
    #expect(outcomes(director, 53, 3) == ["1", "4", "3"])
  }
}

/// Workers on threads of their own that schedule while configurations are put in force.
@Suite("One moment for all services", .timeLimit(.minutes(2)))
struct MomentTests {
  private static let ports: [UInt16] = [53, 54, 55, 56]
  private static let flips = 300

  @Test("Whichever worker schedules for whichever service, it goes by the configuration of that moment")
  func flips() async throws {
    let counters = try [Counters(), Counters()]
    let shared = try SharedTables(connections: 1 << 11, workers: 2, templates: 1 << 8, seed: 1)
    let services = Services(shared: shared, counters: counters, seed: 1)
    let link = Link(mac: TestFrame.director, mtu: 1_500)
    // Of an odd moment the servers are 1 and 2, of an even one 3 and 4.
    try services.stage(Self.ports.map { definition($0, [1, 2]) })
    services.publish(link: link, freePages: .max)
    let (isOver, mixed, seen) = (Flag(), Flag(), Tally())
    let threads = try counters.map { counters in
      try Thread(name: "scheduling") {
        guard var director = try? Director(shared: shared, counters: counters, seed: 1) else {
          return mixed.raise()
        }
        var port: UInt16 = 0
        while !isOver.isRaised {
          port = max(port % 60_000 + 1, 1_024)
          let before = shared.publication.moment
          let server = Self.server(&director, TestFrame().udp(from: port, to: Self.ports[Int(port) % Self.ports.count]))
          guard before == shared.publication.moment else { continue }
          if ![before % 2 == 1 ? [1, 2] : [3, 4]].contains(where: { $0.contains(server) }) { mixed.raise() }
          seen.count(server)
        }
      }
    }
    for flip in 0..<Self.flips {
      try services.stage(Self.ports.map { definition($0, flip % 2 == 0 ? [3, 4] : [1, 2]) })
      services.publish(link: link, freePages: .max)
    }
    isOver.raise()
    for thread in threads { thread.join() }
    #expect(!mixed.isRaised)
    #expect(seen.servers == [1, 2, 3, 4])
  }

  /// The number of the server that the datagram was sent to; 0 where it was not.
  private static func server(_ director: inout Director, _ frame: [UInt8]) -> Int {
    var frame = frame
    return frame.lend(room: 0) { bytes in
      guard case .transmit = director.process(bytes) else { return (0, length: bytes.count) }
      return (Int(bytes.mac(Ethernet.destination).value & 0xff), length: bytes.count)
    }
  }
}

private final class Flag: Sendable {
  private let value = Atomic(false)
  var isRaised: Bool { value.load(ordering: .acquiring) }
  func raise() { value.store(true, ordering: .releasing) }
}

private final class Tally: Sendable {
  private let seen = Mutex<Set<Int>>([])
  var servers: Set<Int> { seen.withLock { $0 } }
  func count(_ server: Int) { seen.withLock { _ = $0.insert(server) } }
}
