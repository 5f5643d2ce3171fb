import LVS
import Testing

@testable import Director

private let vip = IPAddress("10.1.0.100")!
private let web = ServiceKey.endpoint(.tcp, Endpoint(vip, 80))
private let dns = ServiceKey.endpoint(.udp, Endpoint(vip, 53))

/// A director with a web service of three servers and a DNS service of two.
private func director(
  _ scheduler: SchedulerName = .rr, persistence: Persistence? = nil, servers: Int = 3
) throws -> TestDirector {
  let director = try TestDirector()
  try director.apply(
    .addService(VirtualService(web, scheduler: scheduler, persistence: persistence), force: false),
    .addService(VirtualService(dns, scheduler: scheduler), force: false))
  for number in 0..<servers {
    try director.apply(
      .addServer(RealServer(TestDirector.server(number + 1), mac: TestDirector.mac(number + 1)), to: web))
    try director.apply(
      .addServer(RealServer(TestDirector.server(number + 1, port: 53), mac: TestDirector.mac(number + 1)), to: dns))
  }
  return director
}

private func word(_ bytes: [UInt8], _ offset: Int) -> UInt16 {
  UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
}

@Suite("Forwarding")
struct ForwardingTests {
  @Test("rewrites both Ethernet addresses, takes a hop, mends the checksum, and leaves all else")
  func rewrite() throws {
    let director = try director()
    let frame = TestFrame().tcp("S", from: 1_000, to: 80, payload: 10)
    let (verdict, result) = director.process(frame)
    #expect(verdict.isSent)
    #expect(Array(result[0..<6]) == [2, 0, 0, 0, 1, 3])
    #expect(Array(result[6..<12]) == [2, 0, 0, 0, 0, 1])
    #expect(result[Ethernet.length + IPv4.ttl] == 63)
    #expect(sum(Array(result[14..<34])) == 0)
    for offset in 12..<frame.count where ![22, 24, 25].contains(offset) { #expect(result[offset] == frame[offset]) }
  }

  @Test("keeps a connection at its server and starts the next one at another")
  func connections() throws {
    let director = try director()
    let outcomes = [(1_000, "S"), (1_000, "A"), (1_001, "S"), (1_000, "PA"), (1_001, "A"), (1_002, "S"), (1_003, "S")]
      .map {
        director.outcome(TestFrame().tcp($0.1, from: $0.0, to: 80))
      }
    #expect(outcomes == ["3", "3", "2", "3", "2", "1", "3"])
  }

  @Test("drops the last hop with an ICMP error from the VIP that quotes the packet")
  func hopLimit() throws {
    let director = try director()
    var frame = TestFrame()
    frame.ttl = 1
    let original = frame.tcp("S", from: 1_000, to: 80)
    let (verdict, result) = director.process(original)
    #expect(verdict == .answer(length: Ethernet.length + 68))
    #expect(Array(result[26..<34]) == vip.bytes + frame.source.bytes)
    #expect((result[34], result[35]) == (11, 0))
    #expect(Array(result[42...]) == Array(original[14...]))
    #expect(sum(Array(result[14..<34])) == 0)
    #expect(sum(Array(result[34...])) == 0)
  }

  @Test("answers a packet that is too big and must not be cut with the MTU, quoting at most 576 bytes in all")
  func tooBig() throws {
    let director = try director()
    var frame = TestFrame()
    frame.dontFragment = true
    let (verdict, result) = director.process(frame.tcp("S", from: 1_000, to: 80, payload: 1_461))
    #expect(verdict == .answer(length: Ethernet.length + 576))
    #expect((result[34], result[35], word(result, 40)) == (3, 4, 1_500))
    #expect(sum(Array(result[34...])) == 0)
    // A super-frame is judged by what it will be cut into.
    let large = frame.tcp("S", from: 1_000, to: 80, payload: 9_000)
    #expect(director.process(large, FrameMetadata(segment: 1_460)).verdict.isSent)
    #expect(director.process(large, FrameMetadata(segment: 1_461)).verdict == .answer(length: Ethernet.length + 576))
    frame.dontFragment = false
    let mayBeCut = frame.tcp("S", from: 1_001, to: 80, payload: 9_000)
    #expect(director.process(mayBeCut, FrameMetadata(segment: 1_461)).verdict.isSent)
  }

  @Test("has a packet that is too big and may be cut go to its server in fragments")
  func cut() throws {
    let director = try director()
    let frame = TestFrame()
    let (verdict, result) = director.process(frame.tcp("S", from: 1_001, to: 80, payload: 1_461))
    guard case .cut = verdict else {
      Issue.record("\(verdict)")
      return
    }
    #expect(result[Ethernet.length + IPv4.ttl] == 63)
    let pieces = KeptFrame(bytes: result, header: 0).cut(mtu: director.link.mtu)
    #expect(pieces.map(\.bytes.count) == [Ethernet.length + 1_500, Ethernet.length + 21])
    #expect(pieces.allSatisfy { $0.bytes[..<12] == result[..<12] })
  }

  @Test("holds a packet whose server's address is not known, rewritten but for the destination")
  func hold() throws {
    let director = try TestDirector()
    try director.apply(
      .addService(VirtualService(web), force: false), .addServer(RealServer(TestDirector.server(1)), to: web))
    let (verdict, result) = director.process(TestFrame().tcp("S", from: 1_000, to: 80))
    #expect(verdict == .hold(server: 0))
    #expect(result[Ethernet.length + IPv4.ttl] == 63)
  }

  @Test("passes what is not for a VIP, and what is not IP, untouched")
  func others() throws {
    let director = try director()
    var frame = TestFrame()
    frame.destination = IPAddress("10.1.0.101")!
    let other = frame.tcp("S", from: 1_000, to: 80)
    #expect(director.process(other) == (.pass, other))
    let arp = [UInt8](repeating: 0xff, count: 12) + [8, 6] + [UInt8](repeating: 0, count: 28)
    #expect(director.process(arp).verdict == .pass)
  }

  @Test(
    "believes no packet that cannot come from a client",
    arguments: ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.1.0.100", "10.1.0.101", "10.1.0.1"])
  func sources(_ source: String) throws {
    let director = try TestDirector(addresses: [IPAddress("10.1.0.1")!])
    for vip in ["10.1.0.100", "10.1.0.101"] {
      let key = ServiceKey("tcp:\(vip):80")!
      try director.apply(
        .addService(VirtualService(key), force: false),
        .addServer(RealServer(TestDirector.server(1), mac: TestDirector.mac(1)), to: key))
    }
    var frame = TestFrame()
    frame.source = try #require(IPAddress(source))
    let datagram = Array(frame.udp(from: 1_000, to: 53)[34...])
    for packet in [
      frame.tcp("S", from: 1_000, to: 80), frame.tcp("A", from: 1_000, to: 81), frame.echo(),
      frame.ip(17, datagram, fragment: IPv4.moreFragments), frame.ip(17, datagram, fragment: 5), frame.ip(47, [0, 0]),
    ] { #expect(director.process(packet).verdict == .drop(.badSource)) }
  }
}

@Suite("A host for the VIP")
struct HostTests {
  @Test("answers a ping with what came, whatever its length")
  func ping() throws {
    let director = try director()
    for length in [0, 1, 2, 7, 56, 1_400] {
      let payload = (0..<length).map { UInt8($0 & 0xff) }
      let (verdict, result) = director.process(TestFrame().echo(payload: payload))
      #expect(verdict == .answer(length: 42 + length))
      #expect((result[34], result[35]) == (0, 0))
      #expect(Array(result[42...]) == payload)
      #expect(sum(Array(result[34...])) == 0)
      #expect(sum(Array(result[14..<34])) == 0)
    }
  }

  @Test("answers a ping with IP options or extension headers plainly: the message without them")
  func pingWithOptions() throws {
    let plain = TestFrame().echo(payload: Array("abcdefghijklmnop".utf8))
    for options: [UInt8] in [
      [1, 1, 1, 1], [7, 7, 4, 0, 0, 0, 0, 0], [0x94, 4, 0, 0] + [UInt8](repeating: 1, count: 36),
    ] {
      var frame = Array(plain[..<34]) + options + Array(plain[34...])
      frame[14] = 0x45 + UInt8(options.count / 4)
      frame[15] = 0xb8
      set(&frame, 16, UInt16(frame.count - 14))
      set(&frame, 24, 0)
      set(&frame, 24, sum(Array(frame[14..<34 + options.count])))
      let (verdict, result) = try director().process(frame)
      #expect(verdict == .answer(length: plain.count))
      #expect((result[14], result[15], Int(word(result, 16))) == (0x45, 0xb8, plain.count - 14))
      #expect(Array(result[26..<34]) == vip.bytes + TestFrame().source.bytes)
      #expect((result[34], result[35]) == (ICMP.echoReply, 0) && Array(result[38...]) == Array(plain[38...]))
      #expect(sum(Array(result[34...])) == 0 && sum(Array(result[14..<34])) == 0)
    }
  }

  @Test("says nothing to what was damaged on its way, but forwards it")
  func damage() throws {
    let director = try director()
    let frame = TestFrame()
    let answered = [
      frame.tcp("S", from: 1_000, to: 81), frame.udp(from: 1_000, to: 54), frame.sctp(chunk: 1, from: 1_000, to: 80),
      frame.echo(),
    ]
    for packet in answered {
      guard case .answer = director.process(packet).verdict else {
        Issue.record("a good packet gets no answer")
        continue
      }
      for place in 36..<packet.count {
        // The lengths of headers say of themselves that they lie.
        if [38, 39, 46].contains(place) { continue }
        var damaged = packet
        damaged[place] ^= 0x10
        let verdict = director.process(damaged).verdict
        #expect(verdict == .drop(.badChecksum), "byte \(place): \(verdict)")
        // Whoever handed it over vouches for it.
        guard case .answer = director.process(packet, FrameMetadata(isChecked: true)).verdict else {
          Issue.record("a packet that was vouched for gets no answer")
          continue
        }
      }
    }
    var known = frame.tcp("S", from: 1_000, to: 80)
    known[50] ^= 1
    #expect(director.process(known).verdict.isSent)
  }

  @Test("answers datagrams of IPv4 that have no checksum")
  func noChecksum() throws {
    let director = try director()
    var datagram = TestFrame().udp(from: 1_000, to: 54)
    set(&datagram, 40, 0)
    #expect(director.process(datagram).verdict == .answer(length: Ethernet.length + 60))
  }

  @Test(
    "resets what no service wants as RFC 9293 has it",
    arguments: [("S", 0x14, 0, 2), ("A", 0x04, 2, 0), ("SA", 0x04, 2, 0), ("F", 0x14, 0, 2), ("P", 0x14, 0, 1)]
      as [(String, UInt8, UInt8, UInt8)])
  func reset(_ flags: String, _ answer: UInt8, _ sequence: UInt8, _ acknowledgment: UInt8) throws {
    let director = try director()
    let (verdict, result) = director.process(TestFrame().tcp(flags, from: 1_000, to: 81))
    #expect(verdict == .answer(length: 54))
    #expect(word(result, 34) == 81 && word(result, 36) == 1_000)
    #expect(result[47] == answer)
    #expect(Array(result[38..<46]) == [0, 0, 0, sequence, 0, 0, 0, acknowledgment])
    let pseudo = Checksum.pseudoHeader(vip, TestFrame().source, transport: 6, length: 20)
    #expect(sum(Array(result[34...]), pseudo) == 0)
    #expect(sum(Array(result[14..<34])) == 0)
  }

  @Test("never answers a reset")
  func resetOfReset() throws {
    #expect(try director().process(TestFrame().tcp("R", from: 1_000, to: 81)).verdict == .drop(.unclaimed))
  }

  @Test("sends port unreachable for a datagram that no service wants, and for TCP that no server can take")
  func unreachable() throws {
    let director = try director(servers: 0)
    let (verdict, result) = director.process(TestFrame().udp(from: 1_000, to: 54))
    #expect(verdict == .answer(length: Ethernet.length + 60))
    #expect((result[34], result[35]) == (3, 3))
    #expect(director.outcome(TestFrame().tcp("S", from: 1_000, to: 80)) == "unreach")
  }

  @Test("sends protocol unreachable for other transports")
  func otherTransport() throws {
    let (verdict, result) = try director().process(TestFrame().ip(47, [0, 0, 8, 0]))
    #expect(verdict == .answer(length: Ethernet.length + 20 + 8 + 24))
    #expect((result[34], result[35]) == (3, 2))
  }

  @Test("answers no more than so many a second")
  func limit() throws {
    let director = try director()
    let verdicts = (0..<1_500).map { director.process(TestFrame().tcp("S", from: UInt16($0 + 1), to: 81)).verdict }
    #expect(verdicts.filter { $0 == .answer(length: 54) }.count == 1_000)
    #expect(verdicts.last == .drop(.icmpRateLimited))
    director.wait(seconds: 1)
    #expect(director.process(TestFrame().tcp("S", from: 1, to: 81)).verdict == .answer(length: 54))
  }

  @Test("answers packets that are too big whatever else it answers, and those within bounds too")
  func pathMTULimit() throws {
    let director = try director()
    var big = TestFrame()
    big.dontFragment = true
    let large = big.tcp("S", from: 1_000, to: 80, payload: 1_461)
    for port in 0..<1_500 { _ = director.process(TestFrame().tcp("S", from: UInt16(port + 1), to: 81)) }
    let verdicts = (0..<1_500).map { _ in director.process(large).verdict }
    #expect(verdicts.filter { $0 == .answer(length: Ethernet.length + 576) }.count == 1_000)
    #expect(verdicts.last == .drop(.icmpRateLimited))
  }
}

@Suite("ICMP errors about a server's replies")
struct RelatedTests {
  /// A server's reply to the client, as a router quotes it.
  private func reply(to client: String, port: UInt16, bytes: Int = 28, fragment: UInt16 = 0) throws -> [UInt8] {
    var frame = TestFrame()
    (frame.source, frame.destination) = (vip, try #require(IPAddress(client)))
    let tcp = Array(frame.tcp("A", from: 80, to: port)[34...])
    return Array(frame.ip(6, tcp, fragment: fragment)[14...].prefix(bytes))
  }

  private let router = { () -> TestFrame in
    var frame = TestFrame()
    frame.source = IPAddress("203.0.113.1")!
    return frame
  }()

  @Test("follow the connection", arguments: [(3, 4), (3, 1), (11, 0), (4, 0)] as [(UInt8, UInt8)])
  func follow(_ type: UInt8, _ code: UInt8) throws {
    let director = try director()
    #expect(director.outcome(TestFrame().tcp("S", from: 1_000, to: 80)) == "3")
    let error = router.error(type: type, code: code, about: try reply(to: "192.0.2.1", port: 1_000))
    let (verdict, result) = director.process(error)
    #expect(verdict.isSent)
    #expect(Array(result[0..<6]) == [2, 0, 0, 0, 1, 3])
    #expect(Array(result[34...]) == Array(error[34...]))
  }

  @Test("go nowhere without a connection, or where they are of another kind")
  func unknown() throws {
    let director = try director()
    #expect(director.outcome(TestFrame().tcp("S", from: 1_000, to: 80)) == "3")
    let other = try reply(to: "192.0.2.1", port: 1_001)
    #expect(director.process(router.error(type: 3, code: 4, about: other)).verdict == .drop(.unclaimed))
    let known = try reply(to: "192.0.2.1", port: 1_000)
    #expect(director.process(router.error(type: 5, code: 0, about: known)).verdict == .drop(.unclaimedProtocol))
    let later = try reply(to: "192.0.2.1", port: 1_000, fragment: 1)
    #expect(director.process(router.error(type: 3, code: 4, about: later)).verdict == .drop(.unclaimed))
  }

  @Test("are refused where they quote too little")
  func short() throws {
    let director = try director()
    #expect(director.outcome(TestFrame().tcp("S", from: 1_000, to: 80)) == "3")
    for length in 0..<28 {
      let error = router.error(type: 3, code: 4, about: try reply(to: "192.0.2.1", port: 1_000, bytes: length))
      #expect(director.process(error).verdict == .drop(.badIcmp), "\(length) bytes")
    }
  }

  @Test("open a connection where schedule_icmp is set")
  func schedule() throws {
    let director = try director()
    try director.set("schedule_icmp", "1")
    let error = router.error(type: 3, code: 4, about: try reply(to: "192.0.2.1", port: 1_000))
    #expect(director.process(error).verdict.isSent)
    #expect(director.connections.map(\.state) == ["NONE"])
    #expect(director.connections.map(\.left) == [3])
    #expect(director.counts(web)[TestDirector.server(3)] == [1, 0, 1])
  }
}
