import LVS
import Testing

@testable import Director

private let vip = IPAddress("10.1.0.100")!
private let web = ServiceKey.endpoint(.tcp, Endpoint(vip, 80))
private let dns = ServiceKey.endpoint(.udp, Endpoint(vip, 53))

private func tcp(_ flags: String, _ port: UInt16, from client: String = "192.0.2.1", to virtual: UInt16 = 80) -> [UInt8]
{
  var frame = TestFrame()
  frame.source = IPAddress(client)!
  return frame.tcp(flags, from: port, to: virtual)
}

private func service(
  _ service: VirtualService, servers: [Int: Int32] = [1: 1, 2: 1, 3: 1], settings: [String: String] = [:]
) throws -> TestDirector {
  let director = try TestDirector()
  try director.apply(.addService(service, force: false))
  for (number, weight) in servers.sorted(by: { $0.key < $1.key }) {
    try director.apply(.addServer(real(number, weight: weight, port: service.key.port), to: service.key))
  }
  for (key, value) in settings { try director.set(key, value) }
  return director
}

private func real(_ number: Int, weight: Int32 = 1, port: UInt16 = 80, upper: UInt32 = 0, lower: UInt32 = 0)
  -> RealServer
{
  RealServer(
    TestDirector.server(number, port: port), weight: Weight(weight), upperThreshold: upper, lowerThreshold: lower,
    mac: TestDirector.mac(number))
}

/// What the kernel did in `golden/behavior.txt`, case by case.
@Suite("Recorded behavior of a kernel")
struct BehaviorTests {
  @Test("a shortened timeout holds from a connection's next packet on")
  func shortenedTimeouts() throws {
    let director = try service(VirtualService(web, scheduler: .rr))
    for flags in ["S", "A"] { _ = director.outcome(tcp(flags, 1_000)) }
    try director.setTimeouts(Timeouts(tcp: 3, tcpFin: 0, udp: 0))
    director.wait(seconds: 1)
    #expect(director.connectionCount == 1)
    _ = director.outcome(tcp("A", 1_000))
    director.wait(seconds: 2)
    #expect(director.connectionCount == 1)
    director.wait(seconds: 2)
    #expect(director.connectionCount == 0)
  }

  @Test(
    "reuses or reschedules a port by conn_reuse_mode",
    arguments: [
      ("0", "S A FA S", "3 3 3 3"), ("0", "S A R S", "3 3 3 3"), ("0", "S A S", "3 3 3"), ("1", "S A FA S", "3 3 3 3"),
      ("1", "S A R S", "3 3 3 2"), ("1", "S A S", "3 3 3"), ("2", "S A FA S", "3 3 3 2"), ("2", "S A R S", "3 3 3 2"),
      ("2", "S A S", "3 3 3"), ("3", "S A FA S", "3 3 3 2"), ("3", "S A R S", "3 3 3 2"), ("3", "S A S", "3 3 3"),
    ])
  func reuse(_ mode: String, _ flags: String, _ picks: String) throws {
    let director = try service(VirtualService(web, scheduler: .rr), settings: ["conn_reuse_mode": mode])
    let outcomes = flags.split(separator: " ").map { director.outcome(tcp(String($0), 1_000)) }
    #expect(outcomes.joined(separator: " ") == picks)
  }

  @Test(
    "takes no more than the upper threshold, and more at once when that is raised",
    arguments: [(2, 0, "1 1 unreach unreach"), (4, 2, "1 1 1 1 unreach unreach"), (4, 0, "1 1 1 1 unreach unreach")]
      as [(UInt32, UInt32, String)])
  func thresholds(_ upper: UInt32, _ lower: UInt32, _ picks: String) throws {
    let director = try service(VirtualService(web, scheduler: .rr), servers: [:])
    try director.apply(.addServer(real(1, upper: upper, lower: lower), to: web))
    let count = picks.split(separator: " ").count
    let outcomes = (0..<count).map { director.outcome(tcp("S", UInt16(1_000 + $0))) }
    #expect(outcomes.joined(separator: " ") == picks)
    try director.apply(.updateServer(real(1, upper: 100), of: web))
    #expect(director.outcome(tcp("S", 2_000)) == "1")
  }

  @Test("quiesces a server of weight 0: old connections go on, new ones are refused where nobody else is")
  func quiesce() throws {
    let director = try service(VirtualService(web, scheduler: .rr), servers: [1: 1])
    #expect(director.outcome(tcp("S", 1_000)) == "1")
    try director.apply(.updateServer(real(1, weight: 0), of: web))
    #expect(director.outcome(tcp("A", 1_000)) == "1")
    #expect(director.outcome(tcp("S", 1_001)) == "unreach")
    #expect(director.outcome(tcp("S", 1_000)) == "1")
    try director.set("expire_nodest_conn", "1")
    #expect(director.outcome(tcp("S", 1_000)) == "unreach")
    // The kernel's entry lives for another moment; here it is gone with the packet that asked for another server.
    #expect(director.connectionCount == 0)
  }

  @Test("drops what goes to a removed server until that comes back, with its counts")
  func removal() throws {
    let director = try service(VirtualService(web, scheduler: .rr), servers: [1: 1, 2: 1])
    #expect(director.outcome(tcp("S", 1_000)) == "2")
    try director.apply(.removeServer(TestDirector.server(2), from: web))
    #expect(["A", "S"].map { director.outcome(tcp($0, 1_000)) } == ["drop", "drop"])
    try director.apply(.addServer(real(2), to: web))
    #expect(director.outcome(tcp("A", 1_000)) == "2")
    #expect(director.counts(web)[TestDirector.server(2)] == [1, 1, 0])
  }

  @Test("forgets the connections of a removed server at once with expire_nodest_conn")
  func removalExpires() throws {
    let director = try service(
      VirtualService(web, scheduler: .rr), servers: [1: 1, 2: 1], settings: ["expire_nodest_conn": "1"])
    #expect(director.outcome(tcp("S", 1_000)) == "2")
    try director.apply(.removeServer(TestDirector.server(2), from: web))
    #expect(director.connectionCount == 0)
    #expect(["A", "S"].map { director.outcome(tcp($0, 1_000)) } == ["rst", "1"])
  }

  @Test("leaves a removed service's connections dead and its new ones to the host")
  func removedService() throws {
    let director = try service(VirtualService(web, scheduler: .rr))
    #expect(director.outcome(tcp("S", 1_000)) == "3")
    try director.apply(
      .addService(VirtualService(dns, scheduler: .rr), force: false), .removeService(web))
    #expect(["A", "S"].map { director.outcome(tcp($0, 1_000)) } == ["drop", "drop"])
    #expect(director.outcome(tcp("S", 1_001)) == "rst")
  }

  @Test("schedules a first packet other than a SYN only with sloppy_tcp")
  func sloppy() throws {
    let director = try service(VirtualService(web, scheduler: .rr))
    #expect(
      ["A", "R", "F", "PA"].enumerated().map { director.outcome(tcp($1, UInt16(1_000 + $0))) } == [
        "rst", "none", "rst", "rst",
      ])
    try director.set("sloppy_tcp", "1")
    #expect(
      ["A", "R", "F", "PA"].enumerated().map { director.outcome(tcp($1, UInt16(1_000 + $0))) } == [
        "3", "none", "2", "1",
      ])
  }

  @Test("schedules each datagram anew with one-packet scheduling and leaves nothing behind")
  func onePacket() throws {
    let director = try service(VirtualService(dns, scheduler: .rr, onePacket: true))
    let outcomes = (0..<6).map { _ in director.outcome(TestFrame().udp(from: 1_000, to: 53)) }
    #expect(outcomes == ["3", "2", "1", "3", "2", "1"])
    #expect(director.connectionCount == 0)
    #expect(director.counts(dns).values.allSatisfy { $0 == [1, 0, 0] })
  }

  @Test("never schedules FTP's data port as a source")
  func dataPort() throws {
    let director = try service(VirtualService(web, scheduler: .rr))
    #expect(director.outcome(tcp("S", 20)) == "rst")
  }
}

@Suite("Persistence")
struct PersistenceTests {
  private func persistent(_ mask: UInt32 = ~0, timeout: UInt32 = 100, servers: [Int: Int32] = [1: 1, 2: 1, 3: 1]) throws
    -> TestDirector
  {
    try service(
      VirtualService(web, scheduler: .rr, persistence: Persistence(timeout: timeout, netmask: .v4(mask))),
      servers: servers)
  }

  @Test(
    "keeps a client, or a network of clients, at one server",
    arguments: [
      (0xffff_ffff, ["192.0.2.70", "192.0.2.70", "192.0.2.71", "192.0.2.71"], ["3", "3", "2", "2"]),
      (0xffff_ff00, ["192.0.2.70", "192.0.2.71", "192.0.3.71", "192.0.2.72"], ["3", "3", "2", "3"]),
      (0x8000_0000, ["192.0.2.70", "198.51.100.1"], ["3", "3"]),
    ] as [(UInt32, [String], [String])])
  func keep(_ mask: UInt32, _ clients: [String], _ picks: [String]) throws {
    let director = try persistent(mask)
    #expect(clients.enumerated().map { director.outcome(tcp("S", UInt16(50_000 + $0), from: $1)) } == picks)
    #expect(director.templates.count == Set(picks).count)
  }

  @Test("counts a template's time anew from each connection, and keeps it while connections of it live")
  func time() throws {
    let director = try persistent(timeout: 100)
    #expect(director.outcome(tcp("S", 1_000)) == "3")
    director.wait(seconds: 50)
    #expect(director.outcome(tcp("S", 1_001)) == "3")
    director.wait(seconds: 99)
    #expect(director.templates.count == 1)
    director.wait(seconds: 1)
    // Both half-open connections ended long ago, and the template with its time.
    #expect(director.templates.count == 0)
    #expect(director.outcome(tcp("S", 1_002)) == "2")
    _ = director.outcome(tcp("A", 1_002))
    director.wait(seconds: 120)
    #expect(director.templates.count == 1)
    #expect(director.outcome(tcp("S", 1_003)) == "2")
    director.wait(seconds: 1_100)
    #expect(director.templates.count == 0)
    #expect(director.connectionCount == 0)
  }

  @Test("still sends a client to its server when that is quiesced, unless expire_quiescent_template")
  func quiescent() throws {
    let director = try persistent()
    #expect(director.outcome(tcp("S", 1_000)) == "3")
    try director.apply(.updateServer(real(3, weight: 0), of: web))
    #expect(director.outcome(tcp("S", 1_001)) == "3")
    try director.set("expire_quiescent_template", "1")
    #expect(director.outcome(tcp("S", 1_002)) == "2")
    #expect(Set(director.templates.map(\.isInvalidated)) == [false, true])
  }

  @Test("covers all ports of a service of port 0, each with its own")
  func allPorts() throws {
    let key = ServiceKey.endpoint(.tcp, Endpoint(vip, 0))
    let director = try service(
      VirtualService(key, scheduler: .rr, persistence: Persistence(timeout: 100, netmask: .v4(~0))))
    #expect([80, 81, 82 as UInt16].map { director.outcome(tcp("S", 1_000, to: $0)) } == ["3", "3", "3"])
    #expect(director.templates.map(\.virtualPort) == [0])
    #expect(Set(director.connections.map(\.record.virtualPort)) == [80, 81, 82])
  }

  @Test("joins FTP's control and data connections")
  func ftp() throws {
    let key = ServiceKey.endpoint(.tcp, Endpoint(vip, 21))
    let director = try service(
      VirtualService(key, scheduler: .rr, persistence: Persistence(timeout: 100, netmask: .v4(~0))))
    #expect(
      [21, 20, 40_000, 1_023 as UInt16].map { director.outcome(tcp("S", 1_000, to: $0)) } == ["3", "3", "3", "rst"])
  }

  @Test("groups ports and protocols of a mark")
  func marks() throws {
    let key = ServiceKey.fwmark(7, .v4)
    let director = try service(
      VirtualService(key, scheduler: .rr, persistence: Persistence(timeout: 100, netmask: .v4(~0))))
    try director.setMarks([
      MarkRule(destination: Prefix("10.1.0.100/32")!, transport: .tcp, ports: PortRange(8_000, 8_100), mark: 7),
      MarkRule(destination: Prefix("10.1.0.100/32")!, transport: .tcp, ports: PortRange(443, 443), mark: 7),
    ])
    #expect([443, 8_000, 8_100 as UInt16].map { director.outcome(tcp("S", 1_000, to: $0)) } == ["3", "3", "3"])
    #expect(director.outcome(tcp("S", 1_000, to: 8_101)) == "rst")
    #expect(director.outcome(tcp("S", 1_000, from: "192.0.2.2", to: 443)) == "2")
  }

  @Test("goes by client and Call-ID with the sip engine, even when each datagram is scheduled anew")
  func sip() throws {
    let key = ServiceKey.endpoint(.udp, Endpoint(vip, 5_060))
    let director = try service(
      VirtualService(
        key, scheduler: .rr, persistence: Persistence(timeout: 100, netmask: .v4(~0)), persistenceEngine: "sip",
        onePacket: true))
    func invite(_ header: String, _ port: UInt16, from client: String = "192.0.2.1") -> String {
      var frame = TestFrame()
      frame.source = IPAddress(client)!
      let text = "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c\r\n\(header)\r\n\r\n"
      return director.outcome(frame.udp(from: port, to: 5_060, payload: Array(text.utf8)))
    }
    #expect(invite("Call-ID: one@host", 1_000) == "3")
    #expect(invite("Call-ID: two@host", 1_000) == "2")
    #expect(invite("call-id  :\tone@host", 1_001) == "3")
    #expect(invite("i: one@host", 1_002) == "3")
    #expect(invite("Call-ID: one@host", 1_000, from: "192.0.2.2") == "1")
    for header in [
      "Subject: none", "Call-ID:", "Call-ID: ", "Call-IDs: x", "Call-ID: " + String(repeating: "x", count: 256),
    ] {
      #expect(invite(header, 1_003) == "drop", "\(header)")
    }
  }
}

@Suite("Defenses against overload")
struct DefenseTests {
  @Test("drop one new connection in so many, always or when memory is low")
  func packets() throws {
    let director = try service(VirtualService(web, scheduler: .rr), settings: ["drop_packet": "3", "am_droprate": "4"])
    func drops(_ ports: Range<UInt16>) -> Int {
      ports.count { port in director.outcome(tcp("S", port)) == "drop" }
    }
    #expect(drops(1_000..<1_012) == 3)
    try director.set("drop_packet", "1")
    #expect(drops(2_000..<2_050) == 0)
    // 1,024 / (1,024 - 512): every second one.
    director.defend(freePages: 512)
    #expect(director.services.settings.listing["drop_packet"] == "2")
    #expect(drops(3_000..<3_050) == 25)
    director.defend(freePages: 5_000)
    #expect(director.services.settings.listing["drop_packet"] == "1")
  }

  @Test("end half-open connections first, and established ones only after a quiet minute")
  func entries() throws {
    let director = try service(VirtualService(web, scheduler: .rr), settings: ["drop_entry": "3"])
    for port in 1_000..<1_500 {
      _ = director.outcome(tcp("S", UInt16(port)))
      _ = director.outcome(tcp("S", UInt16(port), from: "192.0.2.2"))
      _ = director.outcome(tcp("A", UInt16(port), from: "192.0.2.2"))
    }
    for _ in 0..<200 { director.dropEntries() }
    let states = director.connections.map(\.state)
    #expect(states.filter { $0 == "ESTABLISHED" }.count == 500)
    #expect(states.filter { $0 == "SYN_RECV" }.count < 50)
    director.wait(seconds: 61)
    for _ in 0..<200 { director.dropEntries() }
    #expect(director.connections.filter { $0.state == "ESTABLISHED" }.count < 100)
    #expect(director.counts(web).values.map { $0[1] + $0[2] }.reduce(0, +) == director.connectionCount)
  }
}
