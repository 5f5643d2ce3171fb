import LVS
import Synchronization
import Testing

@testable import Director

@Suite("The table of neighbors")
struct NeighborTableTests {
  private static let server = IPAddress("10.77.0.21")!
  private static let mac = MACAddress(0x0200_0000_0301)
  private static let other = MACAddress(0x0200_0000_0302)

  /// A table in which the server has answered at time 1.
  private func resolved() -> NeighborTable {
    var table = NeighborTable()
    table.add(Self.server, now: 0)
    _ = table.tick(0)
    _ = table.answer(Self.server, Self.mac, now: 1)
    return table
  }

  @Test("asks everybody for a new address, and believes the answer")
  func resolves() {
    var table = NeighborTable()
    table.add(Self.server, now: 0)
    #expect(table.mac(Self.server) == nil)
    check(table.tick(0).questions == [NeighborQuestion(address: Self.server, station: nil)])
    let (change, isDisputed) = table.answer(Self.server, Self.mac, now: 1)
    #expect(change == .resolved(Self.server, Self.mac) && !isDisputed)
    #expect(table.mac(Self.server) == Self.mac)
  }

  @Test(
    "believes no group, broadcast or zero as a station",
    arguments: [MACAddress.zero, .broadcast, MACAddress(0x0100_5e00_0001), MACAddress(0x3333_0000_0001)])
  func noStation(mac: MACAddress) {
    var table = NeighborTable()
    table.add(Self.server, now: 0)
    _ = table.tick(0)
    check(table.answer(Self.server, mac, now: 1) == (nil, isDisputed: true))
    #expect(table.mac(Self.server) == nil)
  }

  @Test("believes no answer without a question")
  func unasked() {
    var table = NeighborTable()
    check(table.answer(Self.server, Self.mac, now: 0) == (nil, isDisputed: false))
    table.add(Self.server, now: 0)
    check(table.answer(Self.server, Self.mac, now: 0) == (nil, isDisputed: false))
    table = resolved()
    check(table.answer(Self.server, Self.other, now: 2) == (nil, isDisputed: true))
    #expect(table.mac(Self.server) == Self.mac)
  }

  @Test("asks the known station first where another one claims the address")
  func claims() {
    var table = resolved()
    check(table.claim(Self.server, Self.other, now: 10))
    check(table.tick(10).questions == [NeighborQuestion(address: Self.server, station: Self.mac)])
    check(table.answer(Self.server, Self.other, now: 11) == (nil, isDisputed: true))
    check(table.answer(Self.server, Self.mac, now: 12) == (nil, isDisputed: false))
    #expect(table.mac(Self.server) == Self.mac)
    check(!table.claim(Self.server, Self.mac, now: 13), "no news")
  }

  @Test("asks once a second at most, however many claim the address")
  func floods() {
    var table = resolved()
    var questions = 0
    for now in UInt64(10)..<2_010 {
      for number in 0..<5 { _ = table.claim(Self.server, MACAddress(0x0200_00ff_0000 + UInt64(number)), now: now) }
      let asked = table.tick(now).questions
      questions += asked.count
      if !asked.isEmpty { _ = table.answer(Self.server, Self.mac, now: now) }
    }
    #expect(questions == 2)
    #expect(table.mac(Self.server) == Self.mac)
  }

  @Test("follows a server to its new station once the old one keeps silent")
  func moves() {
    var table = resolved()
    _ = table.claim(Self.server, Self.other, now: 10)
    var asked: [MACAddress?] = []
    for now in stride(from: UInt64(10), to: 1_300, by: 10) { asked += table.tick(now).questions.map(\.station) }
    #expect(asked == [Self.mac, Self.mac, Self.mac, nil, nil])
    check(table.answer(Self.server, Self.other, now: 1_300).0 == .moved(Self.server, from: Self.mac, to: Self.other))
  }

  /// What it asks of whom, and when, while packets go to the server as `packets` says and nobody answers.
  private func questions(
    until end: UInt64, packets: @escaping @Sendable () -> UInt64
  ) -> (table: NeighborTable, [UInt64: MACAddress?]) {
    var table = NeighborTable { _ in packets() }
    table.add(Self.server, now: 0)
    _ = table.tick(0)
    _ = table.answer(Self.server, Self.mac, now: 0)
    var asked: [UInt64: MACAddress?] = [:]
    for now in stride(from: UInt64(0), to: end, by: 20) {
      for question in table.tick(now).questions { asked[now] = question.station }
    }
    return (table, asked)
  }

  @Test("misses a server that moved without a word within four seconds of what is sent to it")
  func movesSilently() {
    let sent = Atomic<UInt64>(0)
    var (table, asked) = questions(until: 4_000) { sent.add(1, ordering: .relaxed).newValue }
    let everybody = asked.filter { $0.value == nil }.keys.min()
    #expect(asked.filter { $0.value == Self.mac }.count == NeighborTable.questions)
    #expect(everybody.map { $0 < 4_000 } == true)
    check(table.answer(Self.server, Self.other, now: 4_000).0 == .moved(Self.server, from: Self.mac, to: Self.other))
  }

  @Test("asks a server that nothing is sent to twice a minute")
  func unused() {
    let (_, asked) = questions(until: 30_000) { 7 }
    #expect(asked.isEmpty)
    #expect(questions(until: 30_100) { 7 }.1.count == 1)
  }

  @Test("asks a server that answers once in two seconds and a half, however much is sent to it, and does not doubt it")
  func load() {
    let sent = Atomic<UInt64>(0)
    var table = NeighborTable { _ in sent.add(1_000, ordering: .relaxed).newValue }
    table.add(Self.server, now: 0)
    var questions = 0
    for now in stride(from: UInt64(0), to: 25_000, by: 20) {
      questions += table.tick(now).questions.count
      if now >= 40 { #expect(table.listing(now).map(\.state) == [.reachable]) }
      _ = table.answer(Self.server, Self.mac, now: now + 10)
    }
    #expect(questions == 10)
  }

  @Test("gives a silent server up, and goes on asking")
  func loses() {
    var table = NeighborTable()
    table.add(Self.server, now: 0)
    var changes: [NeighborChange] = []
    var questions = 0
    for now in stride(from: UInt64(0), to: 5_000, by: 10) {
      let (asked, changed) = table.tick(now)
      questions += asked.count
      changes += changed
    }
    #expect(changes == [.lost(Self.server)])
    #expect(questions >= 6 && questions <= 9)
    #expect(table.listing(5_000).map(\.state) == [.failed])
  }

  @Test("remembers a second station that answers a survey")
  func rivals() {
    var table = resolved()
    #expect(table.rival(Self.server, now: 5) == nil)
    table.survey(10)
    _ = table.answer(Self.server, Self.mac, now: 11)
    _ = table.answer(Self.server, Self.other, now: 12)
    #expect(table.rival(Self.server, now: 13) == Self.other)
    #expect(table.mac(Self.server) == Self.mac, "it is not believed")
    #expect(table.rival(Self.server, now: 13 + NeighborTable.rivalMemory) == nil)
  }

  @Test("neither asks for nor learns what the operator fixed")
  func fixed() {
    var table = NeighborTable()
    table.add(Self.server, fixed: Self.mac, now: 0)
    check(table.tick(100_000).questions.isEmpty)
    check(table.answer(Self.server, Self.other, now: 1) == (nil, isDisputed: true))
    #expect(table.mac(Self.server) == Self.mac)
  }
}
