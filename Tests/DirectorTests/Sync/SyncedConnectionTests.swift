import LVS
import Testing

@testable import Director

@Suite("Connections of other directors")
struct SyncedConnectionTests {
  private static let vip = IPAddress("10.1.0.100")!
  private static let key = ServiceKey.endpoint(.tcp, Endpoint(vip, 80))

  private static func director(persistence: Persistence? = nil, connections: Int = 1 << 16) throws -> TestDirector {
    let director = try TestDirector(connections: connections)
    let service = VirtualService(key, scheduler: .rr, persistence: persistence)
    try director.apply(.addService(service, force: false))
    for number in 1...2 { try director.apply(.addServer(RealServer(TestDirector.server(number)), to: key)) }
    return director
  }

  private static func flow(
    _ client: String = "192.0.2.1:1000", to server: Int = 1, state: UInt16 = 1, timeLeft: UInt32 = 77,
    flags: FlowRecord.Flags = .noOutput, transport: UInt8 = 6, virtual: Endpoint = Endpoint(vip, 80)
  ) -> FlowRecord {
    FlowRecord(
      transport: transport, client: Endpoint(client)!, virtual: virtual, server: TestDirector.server(server),
      flags: flags, state: state, timeLeft: timeLeft)
  }

  @Test("A connection is entered with its server, state and time left, and counts there")
  func enters() throws {
    let director = try Self.director()
    #expect(director.take(Self.flow(to: 2)) == [.entered: 1])
    #expect(director.connections.map(\.state) == ["ESTABLISHED"] && director.connections.map(\.left) == [77])
    #expect(director.counts(Self.key)[TestDirector.server(2)] == [1, 1, 0])
    #expect(director.take(Self.flow(to: 2, state: 4, timeLeft: 0, flags: [.noOutput, .inactive])) == [.updated: 1])
    #expect(director.connections.map(\.state) == ["FIN_WAIT"] && director.connections.map(\.left) == [120])
    #expect(director.counts(Self.key)[TestDirector.server(2)] == [1, 0, 1])
    director.wait(seconds: 121)
    #expect(director.connections.isEmpty && director.counts(Self.key)[TestDirector.server(2)] == [1, 0, 0])
  }

  @Test("One that moved to another server moves here too, but not where it is live, and not by its end")
  func follows() throws {
    let director = try Self.director()
    _ = director.take(Self.flow(to: 2))
    #expect(director.take(Self.flow(to: 1, state: 4, flags: [.noOutput, .inactive])) == [.conflict: 1])
    #expect(director.take(Self.flow(to: 1)) == [.entered: 1])
    #expect(director.counts(Self.key)[TestDirector.server(1)] == [1, 1, 0])
    let ack = TestFrame().tcp("A", from: 1_000, to: 80)
    for _ in 0..<2 { #expect(director.outcome(ack) != "drop") }
    #expect(director.take(Self.flow(to: 2)) == [.conflict: 1])
    director.wait(seconds: 3)
    #expect(director.take(Self.flow(to: 2)) == [.entered: 1], "it was quiet")
  }

  @Test(
    "What cannot be here is not entered",
    arguments: [
      (flow("10.1.0.100:1"), SyncOutcome.unfit), (flow("224.0.0.1:1"), .unfit), (flow("127.0.0.1:1"), .unfit),
      (flow(flags: [.noOutput, .noClientPort]), .unfit), (flow(transport: 47), .unfit), (flow(state: 99), .unfit),
      (flow(to: 3), .unknown), (flow(virtual: Endpoint(vip, 81)), .unknown),
      (flow(virtual: Endpoint("10.1.0.101:80")!), .unknown), (flow(transport: 17, virtual: Endpoint(vip, 80)), .unfit),
    ])
  func refuses(_ flow: FlowRecord, _ outcome: SyncOutcome) throws {
    let director = try Self.director()
    #expect(director.take(flow) == [outcome: 1] && director.connections.isEmpty)
  }

  @Test("What was asked for adds what is not known, and alters nothing that is")
  func addsSnapshots() throws {
    let director = try Self.director()
    #expect(director.take([Self.flow()], isSnapshot: true) == [.entered: 1])
    let ended = Self.flow(state: 4, timeLeft: 5, flags: [.noOutput, .inactive])
    #expect(director.take([ended, Self.flow(to: 2)], isSnapshot: true) == [.known: 1, .conflict: 1])
    #expect(director.connections.map(\.state) == ["ESTABLISHED"] && director.connections.map(\.left) == [77])
  }

  @Test("While a VIP moves, what is of no connection is dropped unanswered, for so long; what is of one goes on")
  func moves() throws {
    let director = try Self.director()
    let (syn, ack) = (TestFrame().tcp("S", from: 5, to: 80), TestFrame().tcp("A", from: 1_000, to: 80))
    #expect(director.outcome(ack) == "rst")
    director.move([Self.vip], seconds: 2)
    #expect(director.outcome(syn) == "drop" && director.outcome(ack) == "drop")
    #expect(director.take([Self.flow(to: 2)], isSnapshot: true) == [.entered: 1])
    #expect(director.outcome(ack) == "hold", "for its server's address")
    director.wait(ticks: 250)
    #expect(director.outcome(syn) == "hold")
    director.move([IPAddress("10.1.0.101")!], seconds: 2)
    #expect(director.outcome(TestFrame().tcp("S", from: 6, to: 80)) == "hold", "another VIP moves")
  }

  @Test(
    "A row of a listing is the flow that it was made of",
    arguments: [
      ("tcp", "ESTABLISHED", false, UInt16(1), FlowRecord.Flags.noOutput),
      ("tcp", "TIME_WAIT", false, 5, [.noOutput, .inactive]), ("tcp", "SYN_RECV", false, 3, .noOutput),
      ("udp", "UDP", false, 0, [.noOutput, .inactive]), ("sctp", "ESTABLISHED", false, 8, .noOutput),
      ("tcp", "ASSURED", true, 1, [.noOutput, .inactive, .template]),
      ("ip", "NONE", true, 0, [.noOutput, .inactive, .template]),
    ] as [(String, String, Bool, UInt16, FlowRecord.Flags)])
  func readsRows(_ transport: String, _ state: String, _ isTemplate: Bool, _ number: UInt16, _ flags: FlowRecord.Flags)
    throws
  {
    let row = ConnectionStatus(
      transport: transport, client: Endpoint("192.0.2.1:0")!, virtual: Endpoint("0.0.0.7:0")!,
      server: TestDirector.server(1), state: state, expires: 9, isTemplate: isTemplate)
    let flow = try #require(FlowRecord(row))
    #expect(flow.state == number && flow.flags == flags && flow.timeLeft == 9)
    #expect(flow.mark == (transport == "ip" ? 7 : 0) && flow.server == row.server)
  }

  @Test("A row of no protocol or state that there is makes none")
  func refusesRows() {
    for (transport, state, isTemplate) in [("gre", "NONE", false), ("tcp", "UDP", false), ("ip", "NONE", false)] {
      let row = ConnectionStatus(
        transport: transport, client: Endpoint("192.0.2.1:5")!, virtual: Endpoint(Self.vip, 80),
        server: TestDirector.server(1), state: state, expires: 9, isTemplate: isTemplate)
      #expect(FlowRecord(row) == nil)
    }
  }

  @Test("Invented connections leave an eighth of the table to live ones")
  func leavesRoom() throws {
    let director = try Self.director(connections: 1_024)
    let outcomes = director.take((1...2_000).map { Self.flow("192.0.2.9:\($0)") })
    #expect(outcomes == [.entered: 896, .full: 1_104])
  }

  @Test("Invented templates leave an eighth of their table, however they come", arguments: [false, true])
  func leavesRoomForTemplates(isSnapshot: Bool) throws {
    let director = try Self.director(persistence: Persistence(timeout: 300, netmask: .host(.v4)))
    let templates = (1...5_000).map { number in
      FlowRecord(
        transport: 6, client: Endpoint(IPAddress(v4: 0xc000_0000 + UInt32(number)), 0),
        virtual: Endpoint(Self.vip, 80), server: TestDirector.server(1), flags: [.noOutput, .inactive, .template],
        state: 0, timeLeft: 300)
    }
    #expect(director.take(templates, isSnapshot: isSnapshot) == [.entered: 3_584, .full: 1_416])
    #expect(director.process(TestFrame().tcp("S", from: 1, to: 80)).verdict != .drop(.templateTableFull))
  }

  @Test("A template is entered, keeps its client, and its own end")
  func entersTemplates() throws {
    let director = try Self.director(persistence: Persistence(timeout: 300, netmask: .host(.v4)))
    let template = Self.flow("192.0.2.1:0", to: 2, state: 1, timeLeft: 50, flags: [.noOutput, .inactive, .template])
    #expect(director.take(template) == [.entered: 1] && director.take(template) == [.updated: 1])
    #expect(director.take([template], isSnapshot: true) == [.known: 1])
    #expect(director.templates.map(\.flags).allSatisfy { $0.isSuperset(of: [.template, .synced, .assured]) })
    for port in 1...4 {
      _ = director.process(TestFrame().tcp("S", from: UInt16(port), to: 80))
    }
    #expect(director.counts(Self.key)[TestDirector.server(2)] == [1, 4, 0])
    #expect(director.templates.count == 1 && director.templates[0].flags.isDisjoint(with: .synced))
  }

  @Test("Whatever a record holds, nothing traps and the counts stay right", arguments: 0..<20)
  func survivesAnything(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let director = try Self.director(
      persistence: seed % 2 == 0 ? nil : Persistence(timeout: 300, netmask: .host(.v4)), connections: 1_024)
    for _ in 0..<2_000 {
      let bits = random.next()
      let flow = FlowRecord(
        transport: [6, 17, 132, 0, 6, 6, 47, 6][Int(bits & 7)],
        client: Endpoint(IPAddress(v4: 0xc000_0200 + UInt32(bits >> 3 & 31)), UInt16(bits >> 8 & 3)),
        virtual: Endpoint(Self.vip, bits >> 10 & 7 == 0 ? 0 : 80), server: TestDirector.server(Int(bits >> 13 & 3)),
        mark: bits >> 15 & 15 == 0 ? 7 : 0, flags: FlowRecord.Flags(rawValue: UInt32(bits >> 20 & 0x3f80)),
        state: UInt16(bits >> 36 & 15), timeLeft: bits >> 40 & 3 == 0 ? .max : UInt32(bits >> 44 & 63))
      _ = director.take(flow)
      if bits >> 60 == 0 { director.wait(ticks: UInt32(bits >> 52 & 255)) }
    }
    let counted = director.counts(Self.key).values.reduce(0) { $0 + $1[1] + $1[2] }
    #expect(counted == director.connections.count)
  }
}
