import Foundation
import IPVSMessages
import LVS
import TestSupport
import Testing

@testable import Control

@Suite("The kernel's part in a conversation about IPVS")
struct IPVSAnswersTests {
  private func answers(_ services: [ServiceStatus] = []) -> (IPVSAnswers, ListedPlane) {
    let plane = ListedPlane(services)
    return (IPVSAnswers(core: plane.core()), plane)
  }

  /// What the recorded kernel had, read from its answers to a listing.
  private func recordedServices(_ name: String) throws -> [ServiceStatus] {
    var services: [ServiceStatus] = []
    for exchange in try Conversation.exchanges(name) where exchange.command != Command.getInfo.rawValue {
      let asked = try IPVSMessage(bytes: exchange.request[NetlinkHeader.genericSize...]).service?.key
      let contents = try messages(exchange.answer).filter { NetlinkHeader($0[...])!.type > NetlinkType.control }.map {
        try IPVSMessage(bytes: $0[NetlinkHeader.genericSize...])
      }
      services += try contents.compactMap { try $0.service?.status() }
      guard let place = services.firstIndex(where: { $0.service.key == asked }) else { continue }
      services[place].servers = try contents.compactMap {
        try $0.destination?.status(of: services[place].service.key.family)
      }
    }
    return services
  }

  /// What the kernel said to a request, and what lbd says to the same.
  private func expectSame(_ exchange: Conversation.Exchange, _ answers: IPVSAnswers) async {
    let request = asOfLbd(exchange.request)
    let expected = messages(exchange.answer).map(asOfLbd)
    let got = messages(await answers.answer(request))
    #expect(got.map(withoutQuote) == expected.map(withoutQuote), "command \(exchange.command)")
  }

  /// An acknowledgment quotes the request, in which the family has its number.
  private func withoutQuote(_ message: [UInt8]) -> [UInt8] {
    NetlinkHeader(message[...])!.type == NetlinkType.error ? Array(message.prefix(20)) : message
  }

  @Test(
    "Every listing that was recorded is answered byte for byte",
    arguments: [("list-services", 8, 7), ("list-one", 1, 2)])
  func listings(_ name: String, _ serviceCount: Int, _ serverCount: Int) async throws {
    let services = try recordedServices(name)
    #expect((services.count, services.flatMap(\.servers).count) == (serviceCount, serverCount))
    let (answers, _) = answers(services)
    for exchange in try Conversation.exchanges(name) { await expectSame(exchange, answers) }
  }

  /// The recorded changes, in an order in which a kernel takes them.
  private static let changes = [
    "add-service-tcp", "add-service-udp-ops", "add-service-sctp", "add-service-sh", "add-service-v6", "add-service-fwm",
    "add-dest-dr", "add-dest-dr2", "add-dest-masq", "add-dest-ipip", "add-dest-gue", "add-dest-v6", "err-dup-service",
    "edit-dest", "del-dest", "zero", "set-timeout", "get-timeout2",
  ]

  @Test("Every change that was recorded is made and acknowledged as the kernel did")
  func changes() async throws {
    let (answers, plane) = answers()
    for name in Self.changes {
      for exchange in try Conversation.exchanges(name) { await expectSame(exchange, answers) }
    }
    let services = await plane.status()
    #expect(
      services.map { "\($0.service.key) \($0.service.scheduler.rawValue)" } == [
        "tcp:10.1.0.100:80 wrr", "udp:10.1.0.100:53 rr", "sctp:10.1.0.100:5060 rr", "tcp:10.1.0.100:8080 sh",
        "tcp:[2001:db8::1]:443 mh", "fwmark:7 wlc",
      ])
    #expect(services[0].servers.map(\.server) == [RealServer(endpoint("10.1.1.1:80"), weight: 0)])
    #expect(services[1].service.onePacket)
    #expect(services[3].service.flags == [.fallback, .port])
    #expect(services[3].service.persistence == Persistence(timeout: 60, netmask: .host(.v4)))
    #expect(services[5].service.persistence == Persistence(timeout: 600, netmask: Netmask("255.255.255.0")!))
    #expect(
      services[5].servers.map(\.server.method) == [.tunnel(Tunnel(kind: .gue, port: 6080, checksum: .full))])
    for exchange in try Conversation.exchanges("del-service") { await expectSame(exchange, answers) }
    #expect(await plane.status().count == 5)
  }

  @Test("The family is found by name and by number, and no other is")
  func family() async throws {
    let (answers, _) = answers()
    func lookUp(_ attributes: (inout AttributeWriter) -> Void) async throws -> [[UInt8]] {
      var writer = AttributeWriter()
      attributes(&writer)
      return messages(
        await answers.answer(
          netlinkMessage(type: NetlinkType.control, flags: 5, sequence: 9, [3, 1, 0, 0] + writer.bytes)))
    }
    for answer in [
      try await lookUp { $0.put(2, text: "IPVS") }, try await lookUp { $0.put(1, number: UInt16(0x4c42)) },
    ] {
      #expect(answer.count == 2)
      let family = try FamilyMessage(bytes: answer[0][NetlinkHeader.genericSize...])
      #expect((family.name, family.number, family.greatestAttribute) == ("IPVS", IPVSFamily.number, 6))
      // 16 commands of 20 bytes each, as a kernel lists them.
      #expect(family.operations?.count == 320)
    }
    #expect(try await lookUp { $0.put(2, text: "IPVX") }.map { Array($0[16..<20]) } == [Int32(-2).hostBytes])
    #expect(try await lookUp { _ in }.map { Array($0[16..<20]) } == [Int32(-22).hostBytes])
  }

  @Test("Synchronization daemons are none; starting one is not supported")
  func daemons() async throws {
    let (answers, _) = answers()
    for (name, errno) in [("daemon-start-master", Int32(95)), ("daemon-start-backup", 95), ("daemon-stop", 3)] {
      for exchange in try Conversation.exchanges(name) where exchange.command != Command.getInfo.rawValue {
        let answer = messages(await answers.answer(asOfLbd(exchange.request)))
        #expect(answer.map { Int32(hostBytes: $0[16...]) } == [-errno])
      }
    }
  }

  @Test("What an edit by the family cannot say stays: a server's fixed Ethernet address, the flags outside the mask")
  func edits() async throws {
    let (answers, plane) = answers()
    let web = VirtualService(key("tcp:10.1.0.100:80"), scheduler: .sh, flags: [.fallback])
    var server = RealServer(endpoint("10.1.1.1:80"))
    server.mac = MACAddress(0x0200_0000_0001)
    try await answers.core.apply([.addService(web, force: false), .addServer(server, to: web.key)])
    server.mac = nil
    server.weight = 7
    var message = ServiceMessage(web)
    // Only the second flag is meant.
    message.flags = UInt32(0x10).hostBytes + UInt32(0x10).hostBytes
    let requests = [
      (
        Command.setDestination,
        IPVSMessage(service: ServiceMessage(web.key), destination: DestinationMessage(server))
      ), (.setService, IPVSMessage(service: message)),
    ]
    for (command, content) in requests {
      let request = netlinkMessage(
        type: IPVSFamily.number, flags: 5, sequence: 1, [command.rawValue, 1, 0, 0] + content.bytes())
      #expect(messages(await answers.answer(request)).map { Int32(hostBytes: $0[16...]) } == [0])
    }
    let status = try #require(await plane.status().first)
    #expect(status.servers.first?.server.mac == MACAddress(0x0200_0000_0001))
    #expect(status.servers.first?.server.weight == 7)
    #expect(status.service.flags == [.fallback, .port])
  }
}

/// Requests that no tool sends. `Tests/Kernel` holds the same file against a kernel.
@Suite("Odd requests for IPVS")
struct OddRequestTests {
  struct Odd: Decodable {
    let name: String
    let command: UInt8
    let flags: UInt16
    let attributes: String
    let errno: Int32
    let messages: Int

    var bytes: [UInt8] {
      netlinkMessage(
        type: IPVSFamily.number, flags: flags | 5, sequence: 7, [command, 1, 0, 0] + Conversation.bytes(attributes))
    }
  }

  private static func all() throws -> [Odd] {
    let url = Bundle.module.url(forResource: "odd-requests", withExtension: "json", subdirectory: "Golden")
    return try JSONDecoder().decode([Odd].self, from: Data(contentsOf: try #require(url)))
  }

  private func answers() async throws -> IPVSAnswers {
    let answers = IPVSAnswers(core: ListedPlane().core())
    let web = VirtualService(key("tcp:10.1.0.100:80"), scheduler: .rr)
    try await answers.core.apply([
      .addService(web, force: false), .addServer(RealServer(endpoint("10.1.1.1:80")), to: web.key),
    ])
    return answers
  }

  @Test("They are answered as a kernel answers them")
  func oddities() async throws {
    let all = try Self.all()
    #expect(all.count > 100)
    for odd in all {
      let answer = messages(try await answers().answer(odd.bytes))
      #expect(answer.last.flatMap { Int32(hostBytes: $0[16...]) } == -odd.errno, "\(odd.name)")
      #expect(answer.count - 1 == odd.messages, "\(odd.name)")
    }
  }

  @Test("Bytes of any kind are answered or passed over, never a crash", arguments: 0..<40)
  func fuzz(_ seed: Int) async throws {
    let (all, answers) = (try Self.all(), try await answers())
    var random = Seeded(state: UInt64(seed))
    for _ in 0..<50 {
      var message = all.randomElement(using: &random)!.bytes
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        message[Int.random(in: 4..<message.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      if Bool.random(using: &random) {
        message = Array(message.prefix(Int.random(in: 0...message.count, using: &random)))
      }
      let answer = await answers.answer(message)
      // Whatever is said is whole messages.
      #expect(messages(answer).reduce(0) { $0 + ($1.count + 3) & ~3 } == answer.count)
    }
  }
}

@Suite("Connections as /proc/net/ip_vs_conn shows them")
struct ConnectionTextTests {
  @Test("A row is the kernel's, for both families and for templates")
  func rows() {
    func row(_ client: String, _ virtual: String, _ server: String, _ state: String, _ expires: UInt32)
      -> ConnectionStatus
    {
      ConnectionStatus(
        transport: "tcp", client: endpoint(client), virtual: endpoint(virtual), server: endpoint(server), state: state,
        expires: expires, isTemplate: false)
    }
    let rows = [
      row("192.0.2.2:40002", "10.1.0.100:80", "10.1.1.2:80", "ESTABLISHED", 890),
      row("192.0.2.4:0", "10.1.0.100:80", "10.1.1.2:80", "ASSURED", 110),
      row("[2001:db8::9]:40002", "[2001:db8::1]:443", "[2001:db8::2]:443", "SYN_RECV", 60),
    ]
    #expect(
      ConnectionText.rows(rows) == """
        TCP C0000202 9C42 0A010064 0050 0A010102 0050 ESTABLISHED     890
        TCP C0000204 0000 0A010064 0050 0A010102 0050 ASSURED         110
        TCP 2001:0db8:0000:0000:0000:0000:0000:0009 9C42 2001:0db8:0000:0000:0000:0000:0000:0001 01BB \
        2001:0db8:0000:0000:0000:0000:0000:0002 01BB SYN_RECV         60

        """)
  }
}
