import LVS
import Testing

@testable import Director

@Suite("What all schedulers have in common")
struct SchedulerTests {
  @Test("A name that nobody knows has no scheduler")
  func unknownName() {
    #expect(makeScheduler(SchedulerName(rawValue: "wwrr"), flags: [], seed: 1) == nil)
  }

  @Test("Nobody is chosen of no servers, of quiesced and of overloaded ones", arguments: SchedulerName.all + [.none])
  func nobody(name: SchedulerName) throws {
    let service = try ScheduledService(name, flags: [.fallback])
    #expect(service.open(times: 3) == [nil, nil, nil])
    for number in 1...5 { service.add(.realServer(number, weight: 0)) }
    #expect(service.open(times: 3) == [nil, nil, nil])
    for position in 0..<5 { service.edit(at: position, weight: 2) }
    for position in 0..<5 {
      var load = service.list[position]
      load.isOverloaded = true
      service.setLoad(at: position, load)
    }
    #expect(service.open(times: 3) == [nil, nil, nil])
  }

  @Test("The only usable server gets all that can reach it", arguments: SchedulerName.all)
  func onlyOne(name: SchedulerName) throws {
    let service = try ScheduledService(name, weights: [0, 0, 100, 0], flags: [.fallback])
    let chosen = service.open(times: 50)
    // dh has no fallback: a destination in another server's bucket is nobody's.
    let expected: Set<UInt32?> = name == .dh ? [nil, 3] : [3]
    #expect(Set(chosen).isSubset(of: expected))
  }

  @Test("A hashing scheduler bound to a list chooses as one that saw it grow", arguments: [SchedulerName.sh, .mh, .dh])
  func boundAsBuiltUp(name: SchedulerName) throws {
    let grown = try ScheduledService(name, weights: [3, 1, 4, 1, 5])
    grown.edit(at: 1, weight: 0)
    let fresh = try ScheduledService(name, weights: [3, 1, 4, 1, 5])
    fresh.edit(at: 1, weight: 0)
    try fresh.rebind(name)
    for number in 0..<1000 {
      #expect(grown.pick(.from(number)) == fresh.pick(.from(number)))
    }
  }
}

extension NewConnection {
  /// Another client and destination for each number.
  static func from(_ number: Int) -> NewConnection {
    var random = SplitMix64(seed: UInt64(number))
    return NewConnection(
      client: IPAddress(v4: UInt32(truncatingIfNeeded: random.next())),
      clientPort: UInt16(truncatingIfNeeded: random.next()),
      destination: IPAddress(v4: UInt32(truncatingIfNeeded: random.next())), now: 0)
  }
}
