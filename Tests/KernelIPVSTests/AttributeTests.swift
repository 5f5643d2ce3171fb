import IPVSMessages
import LVS
import TestSupport
import Testing

@testable import KernelIPVS

@Suite("Netlink attributes")
struct AttributeTests {
  private func address(_ family: IPAddress.Family, _ random: inout Seeded) -> IPAddress {
    family == .v4
      ? IPAddress(v4: UInt32.random(in: 0...(.max), using: &random)) : IPAddress(v6: random.next(), random.next())
  }

  private func service(_ random: inout Seeded) -> VirtualService {
    let family = IPAddress.Family.allCases.randomElement(using: &random)!
    let transport = TransportProtocol.allCases.randomElement(using: &random)!
    let key: ServiceKey =
      Bool.random(using: &random)
      ? .fwmark(UInt32.random(in: 1...(.max), using: &random), family)
      : .endpoint(transport, Endpoint(address(family, &random), UInt16.random(in: 0...(.max), using: &random)))
    var service = VirtualService(key, scheduler: SchedulerName.all.randomElement(using: &random)!)
    service.flags = SchedulerFlags(rawValue: UInt32.random(in: 0...7, using: &random) << 3)
    service.onePacket = Bool.random(using: &random)
    if Bool.random(using: &random) {
      let mask: Netmask =
        family == .v4
        ? .v4(UInt32.random(in: 1...(.max), using: &random)) : .v6(UInt8.random(in: 1...128, using: &random))
      service.persistence = Persistence(timeout: UInt32.random(in: 1...2_678_400, using: &random), netmask: mask)
      service.persistenceEngine = Bool.random(using: &random) ? "sip" : nil
    }
    return service
  }

  private func server(_ family: IPAddress.Family, _ random: inout Seeded) -> RealServer {
    let kinds: [ForwardingMethod] = [
      .route, .masquerade, .local, .bypass, .tunnel(Tunnel()), .tunnel(Tunnel(kind: .gre, checksum: .full)),
      .tunnel(Tunnel(kind: .gue, port: UInt16.random(in: 1...(.max), using: &random), checksum: .remote)),
    ]
    return RealServer(
      Endpoint(address(family, &random), UInt16.random(in: 0...(.max), using: &random)),
      method: kinds.randomElement(using: &random)!, weight: Weight(Int32.random(in: 0...(.max), using: &random)),
      upperThreshold: UInt32.random(in: 0...(.max), using: &random),
      lowerThreshold: UInt32.random(in: 0...(.max), using: &random))
  }

  @Test("What is written is read back, whatever the service and the server", arguments: 0..<500)
  func roundTrip(_ seed: Int) throws {
    var random = Seeded(state: UInt64(seed))
    let service = service(&random)
    let server = server(IPAddress.Family.allCases.randomElement(using: &random)!, &random)
    #expect(try Reply.service(Request.addService(service).attributes[...]).service == service)
    let message = Request.addServer(server, to: service.key).attributes[...]
    #expect(try Reply.server(message, family: .v4).server == server)
    let daemon = SyncDaemon(
      .backup, interface: "eth\(seed)", syncID: UInt32(seed % 256), maxLength: UInt16(seed),
      group: seed % 2 == 0 ? nil : IPAddress("224.0.0.99"), port: UInt16(seed), ttl: 3)
    #expect(try Reply.daemon(Request.startDaemon(daemon).attributes[...]) == daemon)
  }

  /// Every cut of a message, and many messages with bytes that are not true, are read or refused.
  @Test("Messages that are cut off or lie are read or refused, never a crash", arguments: 0..<200)
  func lies(_ seed: Int) throws {
    var random = Seeded(state: UInt64(seed))
    let service = service(&random)
    let whole = Request.addServer(server(service.key.family, &random), to: service.key).attributes
    for length in 0..<whole.count {
      let cut = whole.prefix(length)
      _ = try? Reply.service(cut)
      _ = try? Reply.server(cut, family: .v6)
    }
    for _ in 0..<200 {
      var lying = whole
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        lying[Int.random(in: 0..<lying.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      _ = try? Reply.service(lying[...])
      _ = try? Reply.server(lying[...], family: service.key.family)
      _ = try? Reply.daemon(lying[...])
      _ = try? Reply.timeouts(lying[...])
      _ = try? Reply.info(lying[...])
      var answer = Answer(to: 7)
      _ = try? answer.take(Request(command: .getService, attributes: lying).bytes(family: 28, sequence: 7) + lying)
      _ = try? answer.take(lying)
    }
  }

  @Test("An attribute longer than what is left, or shorter than its header, is refused")
  func lengths() {
    for bytes: [UInt8] in [[9, 0, 1, 0, 1, 2, 3, 4], [3, 0, 1, 0], [0, 0, 1, 0], [8, 0, 1], [1]] {
      #expect(throws: MalformedMessage.self) { try Attributes(bytes[...]) }
    }
  }
}

@Suite("Answers")
struct AnswerTests {
  private func message(_ type: UInt16, flags: UInt16 = 2, sequence: UInt32 = 1, _ content: [UInt8] = []) -> [UInt8] {
    netlinkMessage(type: type, flags: flags, sequence: sequence, content)
  }

  private let done: [UInt8] = [0, 0, 0, 0]

  @Test("A dump goes on over many datagrams until it is done")
  func dump() throws {
    var answer = Answer(to: 1)
    try answer.take(message(28, [1, 1, 0, 0, 8, 0, 1, 0, 1, 0, 0, 0]) + message(28, [1, 1, 0, 0]))
    #expect(!answer.isComplete)
    try answer.take(message(28, sequence: 9, [1, 1, 0, 0]) + message(1) + message(28, [1, 1, 0, 0]))
    try answer.take(message(3, done) + message(28, [1, 1, 0, 0]))
    #expect(answer.isComplete)
    #expect(answer.messages.count == 3)
    #expect(!answer.isInterrupted)
  }

  @Test("A dump that the kernel calls interrupted is one")
  func interrupted() throws {
    var answer = Answer(to: 1)
    try answer.take(message(28, flags: 0x12, [1, 1, 0, 0]) + message(3, done))
    #expect(answer.isInterrupted)
  }

  @Test("A refusal carries its errno")
  func refusal() throws {
    var answer = Answer(to: 1)
    try answer.take(message(2, flags: 0, Int32(-17).hostBytes + [UInt8](repeating: 0, count: 16)))
    #expect(answer.isComplete)
    #expect(answer.refusal == 17)
  }
}

@Suite("Rows of /proc/net/ip_vs_conn")
struct ProcConnectionTests {
  @Test("A row is a connection")
  func row() throws {
    let row = try #require(ProcConnection("TCP C0000202 9C42 0A010064 0050 0A010102 0050 ESTABLISHED     890"))
    #expect(row.status.client.description == "192.0.2.2:40002")
    #expect(row.status.virtual.description == "10.1.0.100:80")
    #expect(row.status.server.description == "10.1.1.2:80")
    #expect((row.status.transport, row.status.state, row.status.expires) == ("tcp", "ESTABLISHED", 890))
    #expect(!row.status.isTemplate)
    let template = try #require(ProcConnection("TCP C0000204 0000 0A010064 0050 0A010102 0050 ASSURED  110 sip call-1"))
    #expect(template.status.isTemplate)
    #expect((template.engine, template.engineData) == ("sip", "call-1"))
    let v6 = try #require(
      ProcConnection(
        "TCP [2001:0db8:0000:0000:0000:0000:0000:0009] 9C42 [2001:0db8:0000:0000:0000:0000:0000:0001] 01BB "
          + "[2001:0db8:0000:0000:0000:0000:0000:0002] 01BB SYN_RECV 60"))
    #expect(v6.status.virtual.description == "[2001:db8::1]:443")
  }

  @Test(
    "What is no row is passed over",
    arguments: [
      "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData", "", "TCP C0000202",
      "TCP C0000202 9C42 0A010064 0050 0A010102 0050 ESTABLISHED x", "TCP zz 9C42 0A010064 0050 0A010102 0050 NONE 1",
    ])
  func noRow(_ line: String) {
    #expect(ProcConnection(line) == nil)
  }
}
