import LVS
import Testing

@testable import Director

@Suite("Flow offload: established flows that the XDP program forwards by itself")
struct FlowOffloadTests {
  private static let vip = Endpoint(TestFrame().destination, 80)
  private static let services: [ServiceKey] = [.endpoint(.tcp, vip), .endpoint(.udp, vip)]

  private static func director() throws -> TestDirector {
    let director = try TestDirector()
    for key in services {
      try director.apply(.addService(VirtualService(key, scheduler: .wlc), force: false))
      for number in 0..<3 { try director.apply(.addServer(server(number), to: key)) }
    }
    return director
  }

  private static func server(_ number: Int, weight: Int32 = 1) -> RealServer {
    RealServer(TestDirector.server(number), weight: Weight(weight), mac: TestDirector.mac(number))
  }

  /// A director whose flows an XDP program forwards, as far as there is room for them.
  private final class Offloaded {
    let director: TestDirector
    let program: ProgramDouble
    private(set) var forwarded = 0

    init(flows: Int, isBegun: Bool = true) throws {
      (director, program) = (try FlowOffloadTests.director(), try ProgramDouble(flows: flows, isBegun: isBegun))
      director.offload(to: program.flows)
    }

    /// The server of a frame, whoever forwards it.
    func outcome(_ frame: [UInt8]) -> String {
      defer { director.offloadOffered() }
      var packet = Packet()
      var bytes = frame
      bytes.lend { bytes in
        _ = packet.parseNetwork(bytes)
        _ = packet.parseTransport(bytes)
        return ((), length: bytes.count)
      }
      let isPlain = packet.transport == UDP.number || packet.tcpFlags & 0x17 == TCP.ack
      guard isPlain, packet.ttl > 1,
        let mac = program.forward(
          ConnectionKey(packet, 0), length: UInt64(packet.length), now: director.now)
      else { return director.outcome(frame) }
      forwarded += 1
      return String(mac.value - TestDirector.mac(0).value)
    }

    /// As the plane does it: nothing is forwarded while what flows meet changes.
    func change(_ body: (TestDirector) throws -> Void) rethrows {
      program.flows.generation.suspend()
      defer { program.flows.generation.resume() }
      try body(director)
    }
  }

  private static func frame(client: Int, isTCP: Bool, flags: String) -> [UInt8] {
    var frame = TestFrame()
    frame.source = IPAddress(v4: 0xc000_0201 + UInt32(client))
    return isTCP ? frame.tcp(flags, from: 1_000, to: 80) : frame.udp(from: 1_000, to: 80)
  }

  /// What a router says of a server's reply to a client.
  private static func error(client: Int, isTCP: Bool) -> [UInt8] {
    var (reply, router) = (TestFrame(), TestFrame())
    (reply.source, reply.destination) = (vip.address, IPAddress(v4: 0xc000_0201 + UInt32(client)))
    router.source = IPAddress("203.0.113.1")!
    let packet = isTCP ? reply.tcp("A", from: 80, to: 1_000) : reply.udp(from: 80, to: 1_000)
    return router.error(type: 3, code: 4, about: Array(packet[14...]))
  }

  @Test(
    "With it every decision, state, end and count is what it is without it", arguments: [(4, 1), (64, 2), (256, 3)])
  func equivalence(_ flows: Int, _ seed: UInt64) throws {
    let (plain, offloaded) = (try Self.director(), try Offloaded(flows: flows))
    var random = SplitMix64(seed: seed)
    func draw(_ count: Int) -> Int { Int(random.next(through: UInt64(count - 1))) }
    for step in 0..<30_000 {
      switch draw(1_000) {
      case 0:
        let seconds = UInt32(draw(400))
        plain.wait(seconds: seconds)
        offloaded.director.wait(seconds: seconds)
      case 1..<3:
        let (number, weight, key) = (draw(3), Int32(draw(3)), Self.services[draw(2)])
        let edit = Change.updateServer(Self.server(number, weight: weight), of: key)
        _ = try? plain.apply(edit)
        offloaded.change { _ = try? $0.apply(edit) }
      case 3..<4:
        let (number, key) = (draw(3), Self.services[draw(2)])
        for change in [
          Change.removeServer(TestDirector.server(number), from: key), .addServer(Self.server(number), to: key),
        ] {
          _ = try? plain.apply(change)
          offloaded.change { _ = try? $0.apply(change) }
          let frame = Self.frame(client: draw(40), isTCP: key == Self.services[0], flags: "A")
          #expect(plain.outcome(frame) == offloaded.outcome(frame))
        }
      case 4..<300:
        plain.wait(ticks: 3)
        offloaded.director.wait(ticks: 3)
      case 300..<320:
        let frame = Self.error(client: draw(40), isTCP: draw(2) == 0)
        try #require(plain.outcome(frame) == offloaded.outcome(frame), "step \(step)")
      default:
        let flags = ["A", "A", "A", "A", "A", "A", "PA", "S", "FA", "R"][min(draw(80), 9)]
        let frame = Self.frame(client: draw(draw(2) == 0 ? 4 : 40), isTCP: draw(3) > 0, flags: flags)
        let (expected, found) = (plain.outcome(frame), offloaded.outcome(frame))
        try #require(expected == found, "step \(step)")
      }
      if step % 100 == 0 { try Self.compare(plain, offloaded.director, step) }
    }
    try Self.compare(plain, offloaded.director, .max)
    #expect(offloaded.forwarded > 1_000)
    #expect(offloaded.director.drops.offloaded.now == UInt64(offloaded.forwarded))
  }

  private static func compare(_ plain: TestDirector, _ offloaded: TestDirector, _ step: Int) throws {
    offloaded.settle(limit: 7)
    func rows(_ director: TestDirector) -> [String] {
      director.connections.map { "\($0.record.key) \($0.state) \($0.record.expires) \($0.record.packets)" }.sorted()
    }
    try #require(rows(plain) == rows(offloaded), "step \(step)")
    for key in services { #expect(plain.counts(key) == offloaded.counts(key)) }
    func figures(_ director: TestDirector) -> [Statistics] {
      director.services.status().flatMap { [$0.statistics] + $0.servers.map(\.statistics) }
    }
    try #require(figures(plain) == figures(offloaded), "step \(step)")
  }

  @Test("A connection asks with its ninth packet, and again when what it meets has changed")
  func asking() throws {
    let offloaded = try Offloaded(flows: 64)
    let frame = Self.frame(client: 1, isTCP: false, flags: "")
    for _ in 0..<9 { _ = offloaded.outcome(frame) }
    #expect(offloaded.forwarded == 0)
    _ = offloaded.outcome(frame)
    #expect(offloaded.forwarded == 1)
    offloaded.change { _ in }
    _ = offloaded.outcome(frame)
    #expect(offloaded.forwarded == 1)
    for _ in 0..<9 { _ = offloaded.outcome(frame) }
    #expect(offloaded.forwarded > 1)
    #expect(offloaded.program.claimed == 1)
  }

  @Test("Before the first generation nobody gets an entry, and everybody can afterwards")
  func beginning() throws {
    let offloaded = try Offloaded(flows: FlowTable.ways, isBegun: false)
    let frame = Self.frame(client: 1, isTCP: false, flags: "")
    for _ in 0..<40 { _ = offloaded.outcome(frame) }
    #expect(offloaded.program.claimed == 0)
    offloaded.program.flows.generation.renew()
    for _ in 0..<9 { _ = offloaded.outcome(frame) }
    #expect(offloaded.program.claimed == 1 && offloaded.forwarded > 0)
  }

  @Test("Where there is no room a flow gets the entry of one that was silent for a second, a moment later")
  func room() throws {
    let offloaded = try Offloaded(flows: FlowTable.ways)
    func send(_ client: Int, _ count: Int) {
      for _ in 0..<count { _ = offloaded.outcome(Self.frame(client: client, isTCP: false, flags: "")) }
    }
    for client in 0..<4 { send(client, 10) }
    #expect(offloaded.forwarded == 4)
    send(9, 17)
    #expect(offloaded.forwarded == 4)
    offloaded.director.wait(ticks: 110)
    for client in 0..<3 { send(client, 1) }
    send(9, 8)
    #expect(offloaded.forwarded == 7)
    for _ in 0..<2 {
      offloaded.director.wait(ticks: 2)
      offloaded.director.offloadOffered()
    }
    send(9, 9)
    #expect(offloaded.forwarded > 7)
    #expect(offloaded.program.claimed == FlowTable.ways)
  }

  @Test("Entries of connections that end are given away, and what the program counted last is not lost")
  func ending() throws {
    let offloaded = try Offloaded(flows: 64)
    for client in 0..<20 {
      for _ in 0..<10 { _ = offloaded.outcome(Self.frame(client: client, isTCP: true, flags: client == 0 ? "S" : "A")) }
      _ = offloaded.outcome(Self.frame(client: client, isTCP: false, flags: ""))
    }
    offloaded.director.wait(seconds: 2_000)
    offloaded.director.offloadOffered()
    #expect(offloaded.director.connectionCount == 0)
    offloaded.director.wait(ticks: 2)
    offloaded.director.offloadOffered()
    #expect(offloaded.program.claimed == 0)
  }
}
