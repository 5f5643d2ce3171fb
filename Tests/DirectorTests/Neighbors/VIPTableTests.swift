import LVS
import Testing

@testable import Director

@Suite("The table of VIPs")
struct VIPTableTests {
  private static let vip = IPAddress("10.77.0.100")!
  private static let other = MACAddress(0x0200_0000_0401)

  private static func message(_ kind: NeighborMessage.Kind) -> NeighborMessage {
    NeighborMessage(kind: kind, address: vip, station: other, target: vip)
  }

  private func table(yields: Bool = false, refresh: UInt64 = 60_000) -> VIPTable {
    VIPTable(timing: VIPTiming(announceRefresh: refresh, yields: yields))
  }

  /// Moves time on in steps of 10 ms: when each message went out, and what changed.
  private func run(_ table: inout VIPTable, _ times: Range<UInt64>) -> (sent: [(UInt64, VIPMessage)], [VIPChange]) {
    var (sent, changes) = ([(UInt64, VIPMessage)](), [VIPChange]())
    for now in stride(from: times.lowerBound, to: times.upperBound, by: 10) {
      let (messages, changed) = table.tick(now)
      sent += messages.map { (now, $0) }
      changes += changed
    }
    return (sent, changes)
  }

  @Test("Without announcements nothing is said of a VIP that is taken")
  func silence() {
    var table = VIPTable(timing: VIPTiming(announceCount: 0, announceRefresh: 0))
    table.take(IPAddress("192.0.2.100")!, now: 0)
    for now in stride(from: UInt64(0), through: 600_000, by: 1_000) { #expect(table.tick(now).messages.isEmpty) }
    #expect(table.owns(IPAddress("192.0.2.100")!))
  }

  @Test("probes three times, then finds the VIP free")
  func probes() {
    var table = table()
    table.probe(Self.vip, now: 0)
    let (sent, changes) = run(&table, 0..<1_000)
    #expect(sent.map(\.0) == [0, 200, 400] && sent.allSatisfy { $0.1 == .probe(Self.vip) })
    #expect(changes == [.free(Self.vip)] && !table.owns(Self.vip))
  }

  @Test(
    "is contested by any sign of another owner while it probes",
    arguments: [NeighborMessage.Kind.probe, .question, .answer, .announcement])
  func contested(kind: NeighborMessage.Kind) {
    var table = table()
    table.probe(Self.vip, now: 0)
    check(table.hear(Self.message(kind), isPeer: false, now: 10).0 == .contested(Self.vip, Self.other))
    check(run(&table, 10..<60_000).1.isEmpty, "nobody waits for it")
  }

  @Test("announces what it took three times, then as often as it refreshes")
  func announces() {
    var table = table(refresh: 5_000)
    table.take(Self.vip, now: 0)
    check(run(&table, 0..<13_000).sent.map(\.0) == [0, 1_000, 2_000, 7_000, 12_000])
    table.announceAgain(13_000)
    check(run(&table, 13_000..<16_000).sent.map(\.0) == [13_000, 14_000, 15_000])
    table = self.table(refresh: 0)
    table.take(Self.vip, now: 0)
    check(run(&table, 0..<600_000).sent.count == 3, "0 is never again")
  }

  @Test("defends a VIP once in ten seconds, however often it is claimed, and keeps it")
  func defends() {
    var table = table()
    table.take(Self.vip, now: 0)
    var defenses = 0
    for now in UInt64(0)..<25_000 {
      let (_, message) = table.hear(Self.message(.announcement), isPeer: false, now: now)
      if message == .announcement(Self.vip) { defenses += 1 }
    }
    #expect(defenses == 3 && table.owns(Self.vip))
    #expect(table.listing[0].otherOwner == Self.other)
  }

  @Test("yields at the second claim where it was told to, and takes the VIP back when it is free")
  func yields() {
    var table = table(yields: true)
    table.take(Self.vip, now: 0)
    check(table.hear(Self.message(.answer), isPeer: false, now: 100).0 == .contested(Self.vip, Self.other))
    #expect(table.owns(Self.vip))
    check(table.hear(Self.message(.answer), isPeer: false, now: 200).0 == .yielded(Self.vip, Self.other))
    #expect(!table.owns(Self.vip))
    let (_, changes) = run(&table, 200..<12_000)
    #expect(changes == [.taken(Self.vip)] && table.owns(Self.vip))
  }

  @Test("waits for a VIP that somebody has, tells of it once, and takes it when it is free")
  func waits() {
    var table = table()
    table.wait(for: Self.vip, heldBy: Self.other, now: 0)
    _ = run(&table, 0..<10_200)
    check(table.hear(Self.message(.answer), isPeer: false, now: 10_200) == (nil, nil))
    #expect(table.listing.map(\.state) == [.contested])
    check(run(&table, 10_200..<30_000).1 == [.taken(Self.vip)])
  }

  @Test("leaves a VIP to a peer that announces it, and minds nothing else from there")
  func peers() {
    var table = table()
    table.take(Self.vip, now: 0)
    for kind in [NeighborMessage.Kind.probe, .question, .answer] {
      check(table.hear(Self.message(kind), isPeer: true, now: 1) == (nil, nil))
    }
    check(table.hear(Self.message(.announcement), isPeer: true, now: 2).0 == .yielded(Self.vip, Self.other))
    #expect(!table.owns(Self.vip) && table.claims.claims.isEmpty)
  }

  @Test("keeps quiet about a VIP that was released until it is taken")
  func releases() {
    var table = table()
    table.take(Self.vip, now: 0)
    table.release(Self.vip)
    check(run(&table, 0..<60_000).sent.map(\.1) == [.farewell(Self.vip)] && !table.owns(Self.vip))
    table.release(Self.vip)
    check(run(&table, 0..<60_000).sent.isEmpty, "it has none to give up")
    for (kind, owner) in [(NeighborMessage.Kind.probe, nil), (.announcement, Self.other)] {
      check(table.hear(Self.message(kind), isPeer: true, now: 60_000).0 == nil)
      check(table.listing == [VIPStatus(address: Self.vip, state: .released, otherOwner: owner)])
    }
    table.take(Self.vip, now: 60_000)
    #expect(table.owns(Self.vip) && table.listing.first?.otherOwner == nil)
  }

  @Test("says once that it gives a VIP up, however that comes about")
  func farewells() {
    let ways: [(inout VIPTable) -> Void] = [
      { $0.release(Self.vip) }, { $0.remove(Self.vip) }, { _ = $0.suspend() }, { $0.leave() },
    ]
    for giveUp in ways {
      var table = table()
      table.take(Self.vip, now: 0)
      _ = run(&table, 0..<10_000)
      giveUp(&table)
      check(run(&table, 10_000..<90_000).sent.map(\.1) == [.farewell(Self.vip)])
    }
    var table = table()
    table.take(Self.vip, now: 0)
    table.remove(Self.vip)
    table.take(Self.vip, now: 0)
    check(table.tick(0).messages == [.announcement(Self.vip)], "it is wanted again at once")
  }

  @Test("answers for a VIP that it leaves until another director announces it, but not those who want it")
  func leaves() {
    var table = table()
    table.take(Self.vip, now: 0)
    _ = run(&table, 0..<10_000)
    table.leave()
    #expect(table.answers(for: Self.vip, isProbe: false) && !table.answers(for: Self.vip, isProbe: true))
    #expect(table.leaving == (1, 0))
    check(table.hear(Self.message(.question), isPeer: true, now: 10_000) == (nil, nil))
    #expect(table.leaving == (1, 0))
    check(table.hear(Self.message(.probe), isPeer: true, now: 10_010) == (nil, nil))
    #expect(table.leaving == (1, 1) && table.owns(Self.vip))
    check(run(&table, 10_010..<90_000).sent.map(\.1) == [.farewell(Self.vip)], "an announcement would take it back")
    check(
      table.hear(Self.message(.announcement), isPeer: false, now: 90_000) == (.yielded(Self.vip, Self.other), nil),
      "whether or not that one is known as a peer")
    #expect(table.leaving == (0, 0) && !table.answers(for: Self.vip, isProbe: false))
  }

  @Test("asks at once for a VIP that it waits for when its owner gives it up")
  func follows() {
    var table = table()
    table.wait(for: Self.vip, heldBy: Self.other, now: 0)
    _ = run(&table, 0..<1_000)
    check(table.hear(Self.message(.probe), isPeer: true, now: 1_000) == (nil, nil))
    let (sent, changes) = run(&table, 1_000..<1_700)
    #expect(sent.prefix(3).map(\.0) == [1_010, 1_210, 1_410] && changes == [.taken(Self.vip)])
  }

  @Test("waits on for a VIP whose owner asked whether others have it, and tells nobody of it again")
  func staysBehind() {
    var table = table()
    table.wait(for: Self.vip, heldBy: Self.other, now: 0)
    _ = table.hear(Self.message(.probe), isPeer: true, now: 1_000)
    _ = run(&table, 1_000..<1_100)
    check(table.hear(Self.message(.announcement), isPeer: true, now: 1_100) == (nil, nil))
    #expect(table.listing == [VIPStatus(address: Self.vip, state: .contested, otherOwner: Self.other)])
    check(run(&table, 1_100..<11_000).sent.isEmpty)
  }

  @Test("is not made to ask by another that only wants the VIP as well")
  func rivals() {
    var table = table()
    table.probe(Self.vip, now: 0)
    _ = table.tick(0)
    table.wait(for: Self.vip, heldBy: Self.other, now: 0)
    _ = run(&table, 0..<10_000)
    _ = table.tick(10_000)
    _ = table.hear(Self.message(.probe), isPeer: true, now: 10_010)
    _ = table.hear(Self.message(.probe), isPeer: true, now: 10_210)
    check(run(&table, 10_210..<20_000).sent.isEmpty, "it has yet to become the other's")
    _ = table.hear(Self.message(.announcement), isPeer: true, now: 20_000)
    _ = table.hear(Self.message(.probe), isPeer: true, now: 20_005)
    check(table.tick(20_005).messages.isEmpty)
    check(table.tick(20_010).messages == [.probe(Self.vip)])
  }

  @Test("asks once more whether somebody has what it took over")
  func takesOver() {
    var table = table()
    table.take(Self.vip, now: 0)
    _ = run(&table, 0..<200)
    table.doubt(Self.vip, now: 200)
    check(table.tick(200).messages == [.probe(Self.vip), .announcement(Self.vip)])
    table.release(Self.vip)
    table.doubt(Self.vip, now: 300)
    check(table.tick(300).messages == [.farewell(Self.vip)])
  }

  @Test("probes again, before it answers, for what it had probed for while the link was down")
  func unproven() {
    var table = table()
    table.link(isUp: false, now: 0)
    table.probe(Self.vip, now: 0)
    check(run(&table, 0..<1_000).1 == [.free(Self.vip)])
    table.take(Self.vip, now: 1_000)
    _ = run(&table, 1_000..<60_000)
    table.link(isUp: true, now: 60_000)
    #expect(!table.owns(Self.vip))
    check(table.tick(60_000).messages == [.probe(Self.vip)])
    check(table.hear(Self.message(.answer), isPeer: false, now: 60_010).0 == .contested(Self.vip, Self.other))
    check(run(&table, 60_010..<90_000).1 == [.taken(Self.vip)], "as soon as it is free")
  }

  @Test(
    "asks whether somebody else has what is its own after a time in which it was not heard", arguments: [true, false])
  func doubted(wasLinkDown: Bool) {
    var table = table()
    table.probe(Self.vip, now: 0)
    _ = run(&table, 0..<1_000)
    table.take(Self.vip, now: 1_000)
    _ = run(&table, 1_000..<10_000)
    if wasLinkDown {
      table.link(isUp: false, now: 10_000)
      _ = run(&table, 10_000..<20_000)
      table.link(isUp: true, now: 20_000)
    } else {
      table.reappear(20_000)
    }
    #expect(table.owns(Self.vip), "it answers meanwhile")
    check(run(&table, 20_000..<21_000).sent.map(\.1) == [.probe(Self.vip), .announcement(Self.vip)])
    check(table.hear(Self.message(.answer), isPeer: false, now: 21_000).0 == .contested(Self.vip, Self.other))
  }

  @Test("leaves its VIPs to others while it cannot serve them, and takes them again when they are free")
  func suspends() {
    let released = IPAddress("10.77.0.102")!
    var table = table()
    table.take(Self.vip, now: 0)
    table.release(released)
    check(table.suspend() == [.released(Self.vip)])
    check(table.suspend().isEmpty)
    let later = IPAddress("10.77.0.101")!
    table.take(later, now: 100)
    check(run(&table, 0..<60_000).sent.map(\.1) == [.farewell(Self.vip)])
    #expect(!table.owns(Self.vip) && !table.owns(later))
    table.resume(60_000)
    check(table.hear(Self.message(.question), isPeer: false, now: 60_010).0 == .contested(Self.vip, Self.other))
    check(run(&table, 60_010..<61_000).1 == [.taken(later)])
    check(run(&table, 61_000..<90_000).1 == [.taken(Self.vip)])
    #expect(table.owns(later) && !table.owns(released), "what the operator released stays so")
  }

  @Test("remembers who used a VIP and how, for a while and not without bound")
  func remembers() {
    var table = table()
    table.take(Self.vip, now: 0)
    for kind in [NeighborMessage.Kind.question, .answer, .announcement, .probe] {
      _ = table.hear(Self.message(kind), isPeer: false, now: 1_000)
    }
    #expect(Set(table.claims.claims.map(\.manner)) == [.asks, .answers, .announces])
    table.forgetClaims(now: 1_000, memory: .max, answers: true)
    #expect(Set(table.claims.claims.map(\.manner)) == [.asks, .announces])
    table.forgetClaims(now: 100_000, memory: 60_000)
    #expect(table.claims.claims.isEmpty)
    for number in 0..<10_000 {
      var message = Self.message(.announcement)
      message.station = MACAddress(0x0200_0001_0000 + UInt64(number))
      _ = table.hear(message, isPeer: false, now: 100_000)
    }
    #expect(table.claims.claims.count == ClaimLog.capacity)
  }
}
