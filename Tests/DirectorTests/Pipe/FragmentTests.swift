import LVS
import Testing

@testable import Director

private let vip = IPAddress("10.1.0.100")!
private let dns = ServiceKey.endpoint(.udp, Endpoint(vip, 53))

/// A director with a DNS and a web service, each of so many servers.
private func director(servers: Int = 3) throws -> TestDirector {
  let director = try TestDirector()
  for key in ["udp:10.1.0.100:53", "tcp:10.1.0.100:80", "udp:[2001:db8::100]:53"].map({ ServiceKey($0)! }) {
    try director.apply(.addService(VirtualService(key, scheduler: .rr), force: false))
    for number in 0..<servers {
      let v6 = IPAddress(v6: 0x2001_0db8_0000_0000, UInt64(number + 1))
      let address = key.family == .v4 ? TestDirector.server(number + 1).address : v6
      let server = RealServer(Endpoint(address, key.port), mac: TestDirector.mac(number + 1))
      try director.apply(.addServer(server, to: key))
    }
  }
  return director
}

@Suite("Fragments")
struct FragmentTests {
  /// The two halves of a datagram.
  private func halves(id: UInt16, port: UInt16 = 1_000) -> ([UInt8], [UInt8]) {
    let frame = TestFrame()
    let datagram = Array(frame.udp(from: port, to: 53, payload: [UInt8](repeating: 7, count: 64))[34...])
    return (
      frame.ip(17, Array(datagram[..<40]), fragment: IPv4.moreFragments, id: id),
      frame.ip(17, Array(datagram[40...]), fragment: 5, id: id)
    )
  }

  @Test("follow the first of their datagram")
  func follow() throws {
    let director = try director()
    for (id, server) in [(1, "3"), (2, "2"), (3, "1")] {
      let (first, second) = halves(id: UInt16(id), port: UInt16(1_000 + id))
      #expect(director.outcome(first) == server)
      #expect(director.outcome(second) == server)
    }
  }

  @Test("wait for the first where they come before it")
  func early() throws {
    let director = try director()
    let (first, second) = halves(id: 1)
    guard case .park = director.process(second).verdict else {
      Issue.record("an early fragment is not kept")
      return
    }
    #expect(director.park(second))
    #expect(director.ready() == [])
    #expect(director.outcome(first) == "3")
    let ready = director.ready()
    #expect(ready == [second])
    #expect(ready.map(director.outcome) == ["3"])
  }

  @Test("share the fate of a first that is not forwarded")
  func refused() throws {
    let director = try director(servers: 0)
    let (first, second) = halves(id: 1)
    #expect(director.outcome(first) == "unreach")
    #expect(director.process(second).verdict == .drop(.unclaimed))
  }

  /// A fragment of a datagram of 100 bytes, by its first and its last byte.
  private func piece(_ from: Int, _ to: Int, id: UInt16 = 1, isV6: Bool = false, next: UInt8 = UDP.number) -> [UInt8] {
    var frame = TestFrame()
    if isV6 { (frame.source, frame.destination) = (IPAddress("2001:db8::1")!, IPAddress("2001:db8::100")!) }
    let datagram = Array(frame.udp(from: 1_000, to: 53, payload: [UInt8](repeating: 7, count: 92))[(isV6 ? 54 : 34)...])
    let hasMore: UInt16 = to < 100 ? 1 : 0
    guard isV6 else {
      return frame.ip(
        UDP.number, Array(datagram[from..<to]), fragment: UInt16(from / 8) | hasMore * IPv4.moreFragments, id: id)
    }
    let field = UInt16(from) | hasMore
    let header = [next, 0, UInt8(field >> 8), UInt8(field & 255), 0, 0, UInt8(id >> 8), UInt8(id & 255)]
    return frame.ip(IPv6.fragment, header + Array(datagram[from..<to]))
  }

  /// What becomes of each, those that had to wait included.
  private func verdicts(_ pieces: [[UInt8]], _ director: TestDirector) -> [String] {
    pieces.flatMap { frame -> [String] in
      let verdict = director.process(frame).verdict
      if verdict == .park { check(director.park(frame)) }
      return [name(verdict)] + director.ready().map { name(director.process($0).verdict) }
    }
  }

  private func name(_ verdict: Verdict) -> String {
    switch verdict {
    case .transmit: "sent"
    case .park: "waits"
    case .drop(.fragmentOverlap): "overlaps"
    case .drop(.fragmentDuplicate): "duplicate"
    case .drop(.fragmentTiny): "tiny"
    case .drop(.badIpLength): "length"
    default: "\(verdict)"
    }
  }

  @Test(
    "that overlap end their datagram, with all that is yet to come; duplicates are dropped alone",
    arguments: [
      ([(0, 32), (32, 64), (64, 100)], "sent sent sent"), ([(0, 32), (64, 100), (32, 64)], "sent sent sent"),
      ([(64, 100), (32, 64), (0, 32)], "waits waits sent sent sent"),
      ([(0, 32), (0, 32), (32, 64), (32, 64), (64, 100)], "sent duplicate sent duplicate sent"),
      ([(0, 32), (32, 64), (8, 24), (64, 100)], "sent sent duplicate sent"),
      ([(0, 32), (24, 64), (32, 64), (64, 100)], "sent overlaps overlaps overlaps"),
      ([(0, 32), (0, 40), (32, 64), (64, 100)], "sent overlaps overlaps overlaps"),
      ([(0, 32), (64, 100), (24, 72), (32, 64)], "sent sent overlaps overlaps"),
      ([(8, 32), (0, 16), (16, 100)], "waits sent overlaps overlaps"),
      ([(0, 32), (64, 100), (32, 100), (32, 64)], "sent sent overlaps overlaps"),
      ([(0, 32), (40, 100), (32, 40)], "sent sent sent"),
    ] as [([(Int, Int)], String)])
  func overlaps(_ pieces: [(Int, Int)], _ expected: String) throws {
    for isV6 in [false, true] {
      let director = try director()
      let frames = pieces.map { piece($0.0, $0.1, isV6: isV6) }
      #expect(verdicts(frames, director).joined(separator: " ") == expected, "IPv\(isV6 ? 6 : 4)")
    }
  }

  @Test("of a later datagram with the same number are its own, once the first is whole or long ago")
  func sameNumber() throws {
    let director = try director()
    let whole = [(0, 32), (32, 64), (64, 100)].map { piece($0.0, $0.1) }
    for _ in 0..<3 { #expect(verdicts(whole, director) == ["sent", "sent", "sent"]) }
    #expect(verdicts([whole[0], whole[2]], director) == ["sent", "sent"])
    director.wait(seconds: 3)
    #expect(verdicts(whole, director) == ["sent", "sent", "sent"])
    // One whose fragments overlapped is done with only when its time is over.
    #expect(verdicts([whole[0], piece(24, 64)], director) == ["sent", "overlaps"])
    director.wait(seconds: 29)
    #expect(verdicts(whole, director) == ["overlaps", "overlaps", "overlaps"])
    director.wait(seconds: 1)
    #expect(verdicts(whole, director) == ["sent", "sent", "sent"])
  }

  @Test("are dropped where they are too small for their header, empty, or cannot be parts of a datagram")
  func lies() throws {
    let frame = TestFrame()
    let tcp = Array(frame.tcp("S", from: 1_000, to: 80, payload: 40)[34...])
    func cut(_ at: Int, id: UInt16) -> [[UInt8]] {
      [
        frame.ip(6, Array(tcp[..<at]), fragment: IPv4.moreFragments, id: id),
        frame.ip(6, Array(tcp[at...]), fragment: UInt16(at / 8), id: id),
      ]
    }
    let director = try director()
    for (at, id) in [(8, 1), (16, 2)] as [(Int, UInt16)] {
      #expect(director.process(cut(at, id: id)[0]).verdict == .drop(.fragmentTiny))
      #expect(director.process(cut(at, id: id)[1]).verdict == .drop(.unclaimed))
    }
    #expect(verdicts(cut(24, id: 3), director) == ["sent", "sent"])
    #expect(verdicts([cut(24, id: 4)[0], frame.ip(6, tcp, fragment: 1, id: 4)], director) == ["sent", "overlaps"])
    #expect(
      verdicts([frame.ip(17, [1, 2, 3], fragment: 7 | IPv4.moreFragments), piece(100, 100)], director) == [
        "tiny", "tiny",
      ])
    #expect(verdicts([frame.ip(17, [UInt8](repeating: 0, count: 64), fragment: 0x1fff)], director) == ["length"])
    #expect(verdicts([piece(0, 33, isV6: true), piece(0, 32, isV6: true)], director) == ["length", "sent"])
  }

  @Test(
    "of IPv6 are one datagram whatever header the later ones say is next; a whole one in a fragment is none of them")
  func nextHeaders() throws {
    let director = try director()
    let (first, second) = (piece(0, 32, isV6: true), piece(32, 100, isV6: true, next: TCP.number))
    #expect(verdicts([first, piece(0, 100, isV6: true), second], director) == ["sent", "sent", "sent"])
    let twice = Array(first[54...])
    var frame = TestFrame()
    (frame.source, frame.destination) = (IPAddress("2001:db8::1")!, IPAddress("2001:db8::100")!)
    let nested = frame.ip(IPv6.fragment, [IPv6.fragment, 0, 0, 0, 0, 0, 0, 1] + twice)
    #expect(director.process(nested).verdict == .drop(.extensionHeaders))
  }

  @Test("wait in bounded number, bytes and time")
  func bounds() throws {
    var table = try FragmentTable(connections: 1 << 20, seed: 1)
    func key(_ id: Int) -> FragmentKey { FragmentKey(Packet(), vip: 0, id: UInt32(id)) }
    let (first, second) = (FragmentPiece(0, 5), FragmentPiece(5, 9, isLast: true))
    let small = KeptFrame(bytes: [1], header: 0)
    #expect((0..<300).filter { table.wait(key($0), small, 0) }.count == FragmentTable.maximumWaiting)
    #expect(table.expire(FragmentTable.patience - 1) == 0)
    #expect(table.expire(FragmentTable.patience) == FragmentTable.maximumWaiting)
    let large = KeptFrame(bytes: [UInt8](repeating: 0, count: 65_536), header: 0)
    #expect((0..<300).filter { table.wait(key($0), large, 0) }.count == 16)
    // However many datagrams there are, each decision is remembered or gives way to a newer one.
    for id in 0..<100_000 { table.decide(key(id), first, 1, UInt32(id)) }
    #expect(table.fate(key(99_999), second, 99_999 + FragmentTable.lifetime) == .unknown)
    #expect(table.fate(key(99_999), second, 99_999) == .server(1))
  }

  private static let rooms = [
    (connections: 1, datagrams: 1 << 11), (1 << 20, 1 << 14), (1 << 20 | 1 << 19, 1 << 14), (1 << 30, 1 << 16),
  ]

  @Test("have room for as many datagrams as the connections are a measure of, and give it back", arguments: rooms)
  func room(connections: Int, datagrams: Int) throws {
    var table = try FragmentTable(connections: connections, seed: 0x9e37_79b9_7f4a_7c15)
    #expect(table.capacity == datagrams)
    func key(_ id: Int) -> FragmentKey { FragmentKey(Packet(), vip: 0, id: UInt32(id)) }
    let (first, second) = (FragmentPiece(0, 5), FragmentPiece(5, 9))
    func known(_ table: borrowing FragmentTable) -> Int {
      var known = 0
      for id in 0..<4 * datagrams where table.fate(key(id), second, 100) != .unknown { known += 1 }
      return known
    }
    for id in 0..<4 * datagrams { table.decide(key(id), first, 1, 100) }
    #expect(known(table) > datagrams / 2)
    table.shrink(100 + FragmentTable.lifetime - 1)
    #expect(known(table) > datagrams / 2)
    table.shrink(100 + FragmentTable.lifetime)
    #expect(known(table) == 0, "with the memory what was in it is gone")
    table.decide(key(7), first, 1, 200)
    #expect(table.fate(key(7), second, 200) == .server(1))
  }
}
