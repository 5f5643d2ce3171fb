import LVS
import Testing

@testable import Director

@Suite("lblc and lblcr remember destinations, within bounds")
struct DestinationCacheTests {
  private static let minute: UInt32 = 60 * 100

  private static func address(_ number: Int) -> IPAddress { IPAddress(v4: UInt32(number)) }

  /// A cache that was asked at `now` for the first time and has `count` entries used then.
  private static func filled(_ count: Int, at now: UInt32, expiration: UInt32 = 86_400 * 100) throws -> DestinationCache
  {
    let cache = DestinationCache(expiration: expiration)
    cache.expire(now: now)
    for number in 0..<count {
      let entry = cache.insert(address(number), now: now)
      cache.setOnlyMember(1, at: 0, of: try #require(entry))
    }
    return cache
  }

  @Test("No more than 24,576 destinations are remembered")
  func bounded() throws {
    let cache = try Self.filled(24_576, at: 0)
    let (more, count) = (cache.insert(Self.address(24_576), now: 0), cache.count)
    #expect(more == nil && count == 24_576)
  }

  @Test("A service whose cache is full still gets its servers")
  func fullCacheStillSchedules() throws {
    for name in [SchedulerName.lblc, .lblcr] {
      let service = try ScheduledService(name, weights: [1, 1])
      var connection = NewConnection.any
      for number in 0..<25_000 {
        connection.destination = Self.address(number)
        #expect(service.pick(connection) == 0)
      }
    }
  }

  struct Sweep: Sendable {
    var entries: Int
    /// Minutes since the entries were used, all in one step.
    var minutes: UInt32
    var remaining: ClosedRange<Int>
  }

  @Test(
    "A minute's sweep takes what is in excess, and the thirtieth all that is unused for long",
    arguments: [
      Sweep(entries: 16_384, minutes: 7, remaining: 16_384...16_384),
      Sweep(entries: 20_000, minutes: 5, remaining: 20_000...20_000),
      // 4/3 of 3,616, and the rest of the bucket with which that is reached.
      Sweep(entries: 20_000, minutes: 7, remaining: 15_100...15_179),
      Sweep(entries: 24_576, minutes: 7, remaining: 16_300...16_384),
      Sweep(entries: 20_000, minutes: 30, remaining: 20_000...20_000),
      Sweep(entries: 100, minutes: 24 * 60 - 1, remaining: 100...100),
      Sweep(entries: 100, minutes: 24 * 60, remaining: 0...0),
    ], [0, UInt32.max - 100_000])
  func sweeps(sweep: Sweep, start: UInt32) throws {
    let cache = try Self.filled(sweep.entries, at: start)
    cache.expire(now: start &+ sweep.minutes * Self.minute)
    let count = cache.count
    #expect(sweep.remaining.contains(count))
    var found = 0
    for number in 0..<sweep.entries where cache.find(Self.address(number), now: start) != nil { found += 1 }
    #expect(found == count)
  }

  @Test("An entry that is used stays")
  func usedEntryStays() throws {
    let cache = try Self.filled(2, at: 0, expiration: 10 * Self.minute)
    _ = cache.find(Self.address(1), now: 29 * Self.minute)
    cache.expire(now: 30 * Self.minute)
    let (unused, used) = (cache.find(Self.address(0), now: 0), cache.find(Self.address(1), now: 0))
    #expect(unused == nil && used != nil)
  }

  @Test("lblc returns to a server that was deleted and added again")
  func returningServer() throws {
    let service = try ScheduledService(.lblc, weights: [3, 3, 3])
    let first = try #require(service.open())
    let position = try #require(service.position(of: first))
    let server = service.list[position]
    service.remove(at: position)
    service.add(.realServer(4, weight: 3))
    service.add(server)
    #expect(service.open() == first)
  }

  @Test("A set of lblcr that rests for a day loses its busiest member")
  func restingSet() throws {
    let service = try ScheduledService(.lblcr, weights: [2, 2, 9])
    var connection = NewConnection.any
    for _ in 0..<14 { _ = service.open(connection) }
    let loads = (0..<3).map { service.list[$0].active }
    #expect(loads.allSatisfy { $0 > 0 })
    connection.now = 86_400 * 100 + 1
    // The pick itself still has all members to choose from; the next has not the busiest.
    _ = service.open(connection)
    for position in 0..<3 {
      var load = service.list[position]
      load.active = loads[position] == loads.max() ? 0 : 1
      service.setLoad(at: position, load)
    }
    let next = try #require(service.pick(connection))
    #expect(loads[next] != loads.max())
  }
}
