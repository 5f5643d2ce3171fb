import LVS
import Testing

@testable import Health

/// A response with answers by name pointer: type, TTL and data.
private func response(
  to query: DNSQuery, flags: UInt16 = 0x8180, _ answers: [(type: UInt16, ttl: [UInt8], data: [UInt8])] = []
) -> DNSMessage? {
  let question = DNSMessage.query(query, id: 5)
  let header = [5, flags, 1, UInt16(answers.count), 0, 0].flatMap(\.networkBytes)
  let records = answers.flatMap { answer -> [UInt8] in
    [0xc0, 12] as [UInt8] + answer.type.networkBytes + [0, 1] + answer.ttl + UInt16(answer.data.count).networkBytes
      + answer.data
  }
  return DNSMessage(header + question[12...] + records, to: query, id: 5)
}

private func seconds(_ count: UInt8) -> [UInt8] { [0, 0, 0, count] }

private func name(_ text: String) -> [UInt8] {
  text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
}

private func srv(_ priority: UInt16, _ weight: UInt16, _ port: UInt16, _ target: [UInt8]) -> [UInt8] {
  [priority, weight, port].flatMap(\.networkBytes) + target
}

@Suite("Servers by a name")
struct NameTests {
  private static let lookup = DNSLookup("web.lan")

  /// Answers each question as `answer` does.
  private func outcome(
    _ lookup: DNSLookup, _ families: [IPAddress.Family] = [.v4], _ answer: (DNSQuery) throws -> DNSMessage?
  ) throws -> (DiscoveryOutcome, Period, [DNSQuery]) {
    var look = NameLookup(lookup, families)
    var asked: [DNSQuery] = []
    while let question = look.question {
      asked.append(question)
      #expect(look.take(try #require(try answer(question))))
      try #require(asked.count < 1000)
    }
    return (look.outcome, look.period, asked)
  }

  @Test("Addresses behind an alias are servers, for as long as the shortest of the records holds")
  func addresses() throws {
    let (found, period, _) = try outcome(Self.lookup) { query in
      response(
        to: query,
        [
          (5, seconds(9), name("x.lan")), (1, seconds(60), [192, 0, 2, 7]), (1, seconds(30), [192, 0, 2, 8]),
          (28, seconds(2), [192, 0, 2, 9]), (16, seconds(40), [1, 2]),
        ])
    }
    #expect(found == .found(["192.0.2.7", "192.0.2.8"].map { FoundServer(IPAddress($0)!) }))
    #expect(period == .seconds(5))
    #expect(try outcome(Self.lookup) { response(to: $0, [(1, [0, 0, 9, 9], [192, 0, 2, 7])]) }.1 == .seconds(300))
    #expect(try outcome(Self.lookup) { response(to: $0, [(1, [128, 0, 0, 99], [192, 0, 2, 7])]) }.1 == .seconds(5))
    #expect(try outcome(Self.lookup) { response(to: $0, [(1, seconds(77), [192, 0, 2, 7])]) }.1 == .seconds(77))
  }

  @Test("Both families are asked for where servers can have both, and one of them is enough")
  func families() throws {
    let (found, _, asked) = try outcome(Self.lookup, [.v4, .v6]) { query in
      query.type == .aaaa
        ? response(to: query, [(28, seconds(9), Array(repeating: 1, count: 16))]) : response(to: query)
    }
    #expect(asked.map(\.type) == [.a, .aaaa])
    #expect(found == .found([FoundServer(IPAddress("101:101:101:101:101:101:101:101")!)]))
  }

  @Test("Of SRV records those of the lowest priority count, with port and weight, a weight of 0 as 1")
  func services() throws {
    let lookup = DNSLookup("_http._tcp.lan", type: .srv)
    let (found, period, asked) = try outcome(lookup) { query in
      switch query.name {
      case "a.lan": response(to: query, [(1, seconds(50), [192, 0, 2, 1])])
      case "b.lan": response(to: query, [(1, seconds(60), [192, 0, 2, 2])])
      case "gone.lan": response(to: query, flags: 0x8183)
      default:
        response(
          to: query,
          [
            (33, seconds(70), srv(1, 0, 81, name("a.lan"))), (33, seconds(70), srv(1, 9, 82, name("b.lan"))),
            (33, seconds(70), srv(2, 5, 83, name("c.lan"))), (33, seconds(70), srv(1, 5, 84, name("gone.lan"))),
          ])
      }
    }
    #expect(asked.map(\.name) == ["_http._tcp.lan", "gone.lan", "b.lan", "a.lan"])
    #expect(
      found
        == .found([
          FoundServer(IPAddress("192.0.2.2")!, port: 82, weight: 9),
          FoundServer(IPAddress("192.0.2.1")!, port: 81, weight: 1),
        ]))
    #expect(period == .seconds(50))
  }

  @Test("Where there is no server that is said, and SRV's word for it is understood")
  func nobody() throws {
    let none = try outcome(Self.lookup) { response(to: $0, flags: 0x8183) }
    #expect(none.0 == .failed("it has no server: no record A"))
    #expect(none.1 == .seconds(5))
    let closed = try outcome(DNSLookup("x.lan", type: .srv)) { response(to: $0, [(33, seconds(9), srv(0, 0, 0, [0]))]) }
    #expect(closed.0 == .failed("it has no server: no record SRV with hosts that have A"))
    #expect(closed.2.count == 1)
  }

  @Test("Of hosts so many are looked for, and of addresses so many taken")
  func limits() throws {
    let many = try outcome(DNSLookup("x.lan", type: .srv)) { query in
      query.type == .srv
        ? response(to: query, (0..<500).map { (33, seconds(9), srv(0, 1, 80, name("h\($0).lan"))) })
        : response(to: query, (0..<250).map { (1, seconds(9), [10, 0, 0, UInt8($0)]) })
    }
    #expect(many.2.count == 1 + NameLookup.hostLimit)
    guard case .found(let servers) = many.0 else { throw PlaneError.invalid("\(many.0)") }
    #expect(servers.count == NameLookup.serverLimit)
  }

  @Test("Names with pointers are followed back, never in circles, and those that no host has are none")
  func names() throws {
    let query = DNSQuery("_http._tcp.lan", type: .srv)
    // The question's name stands at 12: 5 _http 4 _tcp 3 lan 0; "lan" at 23.
    func target(_ bytes: [UInt8]) -> String? {
      guard let message = response(to: query, [(33, seconds(1), srv(0, 0, 80, bytes))]) else { return nil }
      return message.records?.first.flatMap(message.host)?.name
    }
    #expect(target([1, 97, 0xc0, 23]) == "a.lan")
    #expect(target([0xc0, 12]) == "_http._tcp.lan")
    #expect(target([0]) == ".")
    // To itself, forward, out of the message, cut, of another kind; dots, controls, too long a label, too long a name.
    let start = UInt8(DNSMessage.query(query, id: 5).count + 12 + 6)
    for bytes: [UInt8] in [
      [0xc0, start], [1, 97, 0xc0, start], [0xc0, start + 2], [0xff, 0xff], [0xc0], [1], [0x40, 97, 0],
      [3, 97, 46, 98, 0],
      [1, 10, 0], [1, 0xff, 0], [64] + Array(repeating: 97, count: 64) + [0],
      (0..<5).flatMap { _ in [60] + [UInt8](repeating: 97, count: 60) } + [0],
    ] { #expect(target(bytes) == nil, "\(bytes)") }
  }

  @Test("Every truncation and every changed byte is taken without harm")
  func damage() throws {
    let query = DNSQuery("web.lan", type: .srv)
    let question = DNSMessage.query(query, id: 5)
    let record = [0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 9, 0, 11] as [UInt8] + srv(0, 1, 80, [2, 104, 49, 0xc0, 16])
    let whole = ([5, 0x8180, 1, 1, 0, 0] as [UInt16]).flatMap(\.networkBytes) + question[12...] + record
    func take(_ bytes: [UInt8]) -> Bool {
      var look = NameLookup(DNSLookup("web.lan", type: .srv), [.v4, .v6])
      return DNSMessage(bytes, to: query, id: 5).map { look.take($0) } ?? false
    }
    #expect(take(whole))
    for length in 0..<whole.count { #expect(!take(Array(whole.prefix(length)))) }
    for index in whole.indices {
      for value in [0, 1, 0x3f, 0x40, 0x80, 0xc0, 0xff] as [UInt8] {
        var damaged = whole
        damaged[index] = value
        _ = take(damaged)
      }
    }
  }

  @Test(
    "The host's resolvers are read as the C library reads them",
    arguments: [
      ("nameserver 192.0.2.53\n", ["192.0.2.53:53"]),
      (
        "# x\nsearch lan\nnameserver\t2001:db8::53 \r\nnameserver 192.0.2.1 more\n",
        ["[2001:db8::53]:53", "192.0.2.1:53"]
      ),
      ("nameserver fe80::1%eth0\nnameserver lan\n nameserver\nnameservers 192.0.2.1\n", []),
      (
        "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
        ["192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"]
      ),
    ])
  func resolvers(_ text: String, _ servers: [String]) {
    #expect(ResolverList.parse(Array(text.utf8)).map(\.description) == servers)
  }
}

@Suite("Files of servers")
struct ServerFileTests {
  @Test("A server stands on a line, with a port and a weight where it has them")
  func good() {
    let text = "# servers\n192.0.2.11\n\n 192.0.2.12:8080\t5 # the big one\r\n2001:db8::1\n[2001:db8::2]:80 0"
    #expect(
      ServerFile.parse(Array(text.utf8))
        == .found([
          FoundServer(IPAddress("192.0.2.11")!), FoundServer(IPAddress("192.0.2.12")!, port: 8080, weight: 5),
          FoundServer(IPAddress("2001:db8::1")!), FoundServer(IPAddress("2001:db8::2")!, port: 80, weight: 0),
        ]))
  }

  @Test(
    "What is wrong is told by its line, and not quoted",
    arguments: [
      "web.lan", "192.0.2.1 x", "192.0.2.1 70000", "192.0.2.1 -1", "192.0.2.1 +1", "192.0.2.1:0", "192.0.2.1 1 1",
      "192.0.2.256",
    ])
  func bad(_ line: String) {
    #expect(
      ServerFile.parse(Array("192.0.2.11\n\n\(line)\n".utf8))
        == .failed("line 3 is not 'IP[:PORT] [weight]' with a weight of 0 to 65535"))
  }

  @Test("Without a server it is no answer; nor is what is no file, or too long")
  func none() {
    #expect(ServerFile.parse(Array("# none\n\n".utf8)) == .failed("it names no server"))
    #expect(ServerFile.read("/nowhere/at/all") == .failed("it cannot be opened: No such file or directory"))
    #expect(ServerFile.read("/dev/zero") == .failed("it is not a file"))
    #expect(ServerFile.read("/tmp") == .failed("it is not a file"))
  }
}
