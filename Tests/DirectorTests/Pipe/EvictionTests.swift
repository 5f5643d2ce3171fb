import LVS
import Testing

@testable import Director

/// What becomes of connections where the table is full.
@Suite("A table that is full")
struct EvictionTests {
  private static let room = 100
  private static let web = ServiceKey("tcp:10.1.0.100:80")!
  private static let names = ServiceKey("udp:10.1.0.100:53")!
  private static let streams = ServiceKey("sctp:10.1.0.100:9")!

  private func director(
    connections: Int = room, templates: Int = 1 << 12, workers: Int = 1, persistence: UInt32? = nil
  ) throws -> TestDirector {
    let director = try TestDirector(connections: connections, templates: templates, workers: workers)
    for key in [Self.web, Self.names, Self.streams] {
      var service = VirtualService(key, scheduler: .rr)
      service.persistence = persistence.map { Persistence(timeout: $0, netmask: .v4(~0)) }
      try director.apply(
        .addService(service, force: false),
        .addServer(RealServer(TestDirector.server(1), mac: TestDirector.mac(1)), to: key))
    }
    return director
  }

  private func frame(_ client: Int) -> TestFrame { TestFrame(source: IPAddress(v4: 0x0a02_0000 + UInt32(client))) }

  /// Has a client send segments with these flags; whether all were forwarded.
  @discardableResult
  private func send(_ director: TestDirector, _ client: Int, _ flags: String...) -> Bool {
    flags.allSatisfy { director.outcome(frame(client).tcp($0, from: 1_024, to: 80)) == "1" }
  }

  @discardableResult
  private func ask(_ director: TestDirector, _ client: Int) -> Bool {
    director.outcome(frame(client).udp(from: 1_024, to: 53)) == "1"
  }

  private func clients(_ director: TestDirector) -> Set<Int> {
    Set(director.connections.map { Int($0.record.client(.v4).v4) - 0x0a02_0000 })
  }

  private func servers(_ director: TestDirector, _ key: ServiceKey = web) -> [Int] {
    director.counts(key).values.reduce([0, 0]) { [$0[0] + $1[1], $0[1] + $1[2]] }
  }

  @Test("lets every real client in while a flood of SYNs goes on, however small it is")
  func flood() throws {
    let director = try director()
    for round in 0..<200 {
      let client = 100_000 + round
      #expect(send(director, client, "S"))
      for spoofed in 0..<70 { #expect(send(director, round * 70 + spoofed, "S")) }
      #expect(send(director, client, "A", "A", "FA"), "client \(round) was thrown out of its handshake")
      director.wait(ticks: 25)
    }
    #expect(director.connectionCount == Self.room)
    #expect(director.drops.evictedHalfOpen.now > 13_000)
  }

  @Test("ends the oldest half-open one first")
  func oldest() throws {
    let director = try director()
    for client in 0..<Self.room { send(director, client, "S") }
    for client in 100..<130 { send(director, client, "S") }
    #expect(clients(director) == Set(30..<130))
    #expect(servers(director) == [100, 0])
  }

  @Test("never ends an established connection: where there are no others the new one is refused and counted")
  func established() throws {
    let director = try director()
    for client in 0..<Self.room { send(director, client, "S", "A") }
    #expect(director.process(frame(500).tcp("S", from: 1, to: 80)).verdict == .drop(.connectionTableFull))
    #expect(director.process(frame(500).udp(from: 1, to: 53)).verdict == .drop(.connectionTableFull))
    #expect(clients(director) == Set(0..<Self.room))
    send(director, 7, "FA")
    director.wait(seconds: 3)
    #expect(send(director, 500, "S", "A"))
    #expect(clients(director) == Set(0..<Self.room).subtracting([7]).union([500]))
    #expect(director.drops.evictedClosing.now == 1)
  }

  @Test("spares handshakes of the moment while connections are closing, reset, or half-open for long")
  func order() throws {
    let director = try director()
    for client in 0..<30 { send(director, client, "S") }
    for client in 30..<60 { send(director, client, "S", "A", "FA") }
    for client in 60..<80 { send(director, client, "S", "A", "R") }
    for client in 80..<90 { send(director, client, "S", "A") }
    director.wait(seconds: 3)
    for client in 90..<100 { send(director, client, "S") }
    var expected = Set(0..<100)
    for (gone, new) in zip(Array(0..<30) + Array(60..<80) + Array(30..<60), 200...) {
      #expect(send(director, new, "S", "A"))
      expected.subtract([gone])
      expected.insert(new)
      #expect(clients(director) == expected)
    }
    #expect(send(director, 300, "S"))
    #expect(!clients(director).contains(90), "in the end the oldest of them too")
    #expect(servers(director) == [100, 0])
  }

  @Test("does not end a closing connection over which data still comes")
  func download() throws {
    let director = try director()
    for client in 0..<Self.room { send(director, client, "S", "A", client < 3 ? "FA" : "A") }
    for _ in 0..<4 {
      director.wait(seconds: 1)
      for client in 0..<2 { send(director, client, "A") }
    }
    #expect(send(director, 200, "S", "A"))
    #expect(clients(director) == Set(0..<Self.room).subtracting([2]).union([200]))
    #expect(director.outcome(frame(201).tcp("S", from: 1, to: 80)) == "drop")
  }

  @Test("takes from the transport that has most that is new, and counts a flow's second datagram as settled")
  func transports() throws {
    let director = try director()
    for client in 0..<30 { send(director, client, "S") }
    for client in 0..<20 { #expect(director.outcome(frame(client).sctp(chunk: 1, from: 5, to: 9)) == "1") }
    for client in 100..<150 { ask(director, client) }
    for client in 100..<105 { ask(director, client) }
    for client in 200..<210 { ask(director, client) }
    #expect(clients(director) == Set(0..<30).union(100..<105).union(115..<150).union(200..<210))
    #expect(director.drops.evictedOnePacket.now == 10)
    for client in 300..<330 { send(director, client, "S") }
    #expect(director.connectionCount == Self.room)
    #expect(director.connections.filter { $0.state == "INIT1" }.count == 20)
    #expect(servers(director, Self.streams)[1] == 20)
  }

  @Test("may have the connection itself that a SYN opens anew, which is ended once")
  func reuse() throws {
    let director = try director()
    for client in 0..<Self.room { send(director, client, "S", "A", "R") }
    for client in 0..<Self.room { #expect(send(director, client, "S", "A")) }
    #expect(director.connectionCount == Self.room && servers(director) == [Self.room, 0])
  }

  @Test("makes the templates of those go that it ends, and room for new ones")
  func templates() throws {
    let director = try director(connections: 1_000, templates: 50, persistence: 300)
    #expect(send(director, 0, "S", "A"))
    for client in 1..<200 {
      #expect(send(director, client, "S"))
      #expect(ask(director, 0))
    }
    #expect(director.templates.count == 50)
    #expect(director.templates.contains { $0.flags.contains(.assured) })
    for template in director.templates { #expect(template.children >= 1) }
    for client in 151..<200 { send(director, client, "A") }
    #expect(director.process(frame(900).tcp("S", from: 1, to: 80)).verdict == .drop(.templateTableFull))
  }

  @Test("is counted as full for an error that would open a connection, not as unclaimed")
  func related() throws {
    let director = try director()
    try director.set("schedule_icmp", "1")
    for client in 0..<Self.room { send(director, client, "S", "A") }
    let reply = TestFrame(source: IPAddress("10.1.0.100")!, destination: frame(900).source).tcp(
      "A", from: 80, to: 1_024)
    let error = frame(900).error(type: 3, code: 4, about: Array(reply[Ethernet.length...]))
    #expect(director.process(error).verdict == .drop(.connectionTableFull))
  }

  @Test("is a reason for the defenses, whatever the memory")
  func defenses() throws {
    let director = try director()
    for name in ["drop_entry", "drop_packet", "secure_tcp"] { try director.set(name, "1") }
    director.defend(freePages: .max, isCrowded: true)
    #expect(director.services.settings.defense == Defense(dropsEvery: 10, dropsEntries: true, isSecure: true))
    #expect(director.services.settings.listing["drop_entry"] == "2")
    director.defend(freePages: .max, isCrowded: false)
    #expect(director.services.settings.defense == Defense())
  }

  @Test("of two workers takes all the room, but for what the other one needs")
  func workers() throws {
    let (first, room) = (try director(connections: 1_024, workers: 2), 1_024)
    let shared = first.services.shared
    // What the other worker has taken.
    let other = shared.room.take() + shared.room.take()
    for client in 0..<2_000 { #expect(send(first, client, "S")) }
    #expect(first.connectionCount + other == room)
    shared.room.want()
    while first.makeRoomForOthers() {}
    #expect(!shared.room.hasWanting && shared.room.take() == shared.room.portion)
    #expect(first.connectionCount + other + shared.room.portion <= room)
    first.wait(seconds: 61)
    first.giveSpareRoom()
    var left = 0
    while case let taken = shared.room.take(), taken > 0 { left += taken }
    #expect(left >= room - other - 3 * shared.room.portion && first.connectionCount == 0)
  }
}
