import LVS
import Testing

@testable import Director

@Suite("mh keeps clients where they are")
struct MaglevHashingTests {
  private static let clients = (0..<10_000).map(NewConnection.from)

  private static func choices(_ service: ScheduledService) -> [ServerNumber?] {
    clients.map { client in service.pick(client).map { service.list[$0].id } }
  }

  @Test("When one of 50 servers leaves, few clients of the others move", arguments: [(4093, 0.05), (65_521, 0.05)])
  func removal(tableSize: Int, limit: Double) throws {
    let service = try ScheduledService(.mh, weights: Array(repeating: 1, count: 50), mhTableSize: tableSize)
    let before = Self.choices(service)
    service.remove(at: try #require(service.position(of: 17)))
    let after = Self.choices(service)
    #expect(!after.contains(17) && !after.contains(nil))
    let moved = zip(before, after).count { $0 != 17 && $0 != $1 }
    #expect(Double(moved) < limit * Double(Self.clients.count))
  }

  @Test("Quiescing a server moves no client of the others, and with the fallback flag its own find another")
  func quiescing() throws {
    for flags in [[], .fallback] as [SchedulerFlags] {
      let service = try ScheduledService(.mh, weights: [5, 1, 3, 1, 2], flags: flags)
      let before = Self.choices(service)
      service.edit(at: try #require(service.position(of: 3)), weight: 0)
      for (old, new) in zip(before, Self.choices(service)) {
        if old == 3 {
          #expect(flags.isEmpty ? new == nil : new != nil && new != 3)
        } else {
          #expect(old == new)
        }
      }
    }
  }

  @Test("Each table size spreads clients by weight", arguments: MaglevHashing.tableSizes)
  func shares(tableSize: Int) throws {
    let weights: [Int32] = [1, 2, 3, 4]
    let counts = Dictionary(
      Self.choices(try ScheduledService(.mh, weights: weights, mhTableSize: tableSize)).map { ($0, 1.0) },
      uniquingKeysWith: +)
    for (index, weight) in weights.enumerated() {
      let share = Double(Self.clients.count) * Double(weight) / 10
      #expect(abs(counts[ServerNumber(index + 1), default: 0] - share) < 0.15 * share)
    }
  }

  @Test("More servers than slots leave the table empty until one goes")
  func moreServersThanSlots() throws {
    let service = try ScheduledService(.mh, weights: Array(repeating: 1, count: 252), mhTableSize: 251)
    #expect(service.pick() == nil)
    service.remove(at: 7)
    #expect(service.pick() != nil)
  }

  @Test(
    "SipHash-1-3 under mh's two keys, as another implementation works it out",
    arguments: [
      (0x0, 2_654_435_761, 0x1d5a_77c2),
      (0x0, 2_654_446_892, 0xf882_433f),
      (0x1, 2_654_435_761, 0x16ec_66b2),
      (0x1, 2_654_446_892, 0x8210_aad1),
      (0xa010151, 2_654_435_761, 0x2109_08aa),
      (0xa010151, 2_654_446_892, 0xd229_f519),
      (0xffff_ffff, 2_654_435_761, 0x22c5_d719),
      (0xffff_ffff, 2_654_446_892, 0xf75a_0f5d),
    ] as [(UInt32, UInt32, UInt32)])
  func sipHash(value: UInt32, key: UInt32, hash: UInt32) {
    #expect(sipHash13(value, key: key) == hash)
  }
}
