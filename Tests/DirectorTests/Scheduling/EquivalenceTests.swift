import LVS
import Testing

@testable import Director

@Suite("Trees and caches choose as plain walks over the list do")
struct EquivalenceTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: SchedulerName
    var flags: SchedulerFlags = []
    var events = 60_000
    /// Servers come and go within this many.
    var servers: UInt32 = 24
    var plain: @Sendable () -> any PlainScheduler

    var testDescription: String {
      ([name.rawValue] + flags.names(for: name)).joined(separator: " ") + " of up to \(servers) servers"
    }
  }

  /// Five minutes: sets shrink and entries expire many times, as a history is some 40 hours long.
  static let cacheExpiration: UInt32 = 5 * 60 * 100

  /// A million events in all.
  static let cases: [Case] = [
    Case(name: .rr) { PlainRoundRobin() },
    Case(name: .wrr) { PlainWeightedRoundRobin() },
    Case(name: .wrr, servers: 4) { PlainWeightedRoundRobin() },
    Case(name: .lc) { PlainLeast(PlainLeast.lc) },
    Case(name: .wrr, events: 10_000, servers: 300) { PlainWeightedRoundRobin() },
    Case(name: .wlc, events: 70_000) { PlainLeast(PlainLeast.wlc) },
    Case(name: .wlc, events: 10_000, servers: 300) { PlainLeast(PlainLeast.wlc) },
    Case(name: .sed) { PlainLeast(PlainLeast.sed) },
    Case(name: .nq) { PlainLeast(PlainLeast.nq) },
    Case(name: .fo) { PlainLeast(PlainLeast.fo) },
    Case(name: .ovf) { PlainLeast(PlainLeast.ovf) },
    Case(name: .twos) { PlainTwos(seed: 1) },
    Case(name: .dh) { PlainDestinationHashing() },
    Case(name: .sh) { PlainSourceHashing(flags: []) },
    Case(name: .sh, flags: [.port, .fallback]) { PlainSourceHashing(flags: [.port, .fallback]) },
    Case(name: .mh, events: 25_000) { PlainMaglevHashing(flags: [], size: 251, bits: 4) },
    Case(name: .mh, flags: [.port, .fallback], events: 25_000) {
      PlainMaglevHashing(flags: [.port, .fallback], size: 251, bits: 4)
    },
    Case(name: .lblc, events: 70_000) { PlainLocality(isReplicated: false, expiration: cacheExpiration) },
    Case(name: .lblcr, events: 70_000) { PlainLocality(isReplicated: true, expiration: cacheExpiration) },
  ]

  @Test("The random histories have a million events")
  func total() {
    #expect(Self.cases.map(\.events).reduce(0, +) == 1_000_000)
  }

  @Test("Every pick is the same while connections come and go and the list changes", arguments: cases)
  func picks(of each: Case) throws {
    var life = try RandomLife(each)
    for event in 0..<each.events {
      let (chosen, expected) = life.next()
      guard chosen == expected else {
        Issue.record("event \(event): \(chosen as Int?) and not \(expected as Int?) of \(life.servers)")
        return
      }
    }
    #expect(life.picks > each.events / 5)
  }
}

/// The random history of one service, lived by a scheduler and by its plain model.
private struct RandomLife {
  private let service: ScheduledService
  private let plain: any PlainScheduler
  private(set) var servers: [ServerLoad] = []
  /// The servers that are not in the list: they come back with their counts.
  private var absent: [ServerLoad]
  private var open: [(server: ServerNumber, isActive: Bool)] = []
  private var random = SplitMix64(seed: 42)
  private var now: UInt32 = 0
  /// How many times a server was chosen.
  private(set) var picks = 0

  private static let weights: [Int32] = [0, 1, 1, 2, 3, 4, 6, 10, 50, 300]

  init(_ each: EquivalenceTests.Case) throws {
    service = try ScheduledService(
      each.name, flags: each.flags, mhTableSize: 251, cacheExpiration: EquivalenceTests.cacheExpiration)
    plain = each.plain()
    absent = (1...each.servers).map { .realServer(Int($0), weight: 1) }
  }

  private mutating func below(_ limit: Int) -> Int { Int(random.next(through: UInt64(limit - 1))) }

  /// What both chose in the next event; nil and nil where it was not a pick.
  mutating func next() -> (Int?, Int?) {
    now += below(100) == 0 ? UInt32(below(40_000)) : 3
    switch below(100) {
    case 0..<60: return pick()
    case 60..<86: close()
    case 86..<94: flipOverload()
    case 94..<97: edit()
    case 97..<99: add()
    default: remove()
    }
    return (nil, nil)
  }

  private mutating func pick() -> (Int?, Int?) {
    let connection = NewConnection(
      client: IPAddress(v4: UInt32(truncatingIfNeeded: random.next())), clientPort: UInt16(below(65_536)),
      destination: IPAddress(v4: 0x0a01_0000 + UInt32(below(20))), now: now)
    let chosen = service.pick(connection)
    let expected = plain.pick(connection, servers)
    if let chosen, chosen == expected {
      picks += 1
      let isActive = below(4) > 0
      open.append((servers[chosen].id, isActive))
      count(servers[chosen].id, isActive, 1)
    }
    return (chosen, expected)
  }

  private mutating func close() {
    guard !open.isEmpty else { return }
    // Bursts, so that loads fall as well as rise.
    for _ in 0...below(4) where !open.isEmpty {
      let place = below(open.count)
      let (server, isActive) = open[place]
      open.swapAt(place, open.count - 1)
      open.removeLast()
      count(server, isActive, -1)
    }
  }

  /// Counts a connection of a server in the list or out of it.
  private mutating func count(_ id: ServerNumber, _ isActive: Bool, _ change: Int) {
    func counted(_ server: ServerLoad) -> ServerLoad {
      var server = server
      if isActive {
        server.active = UInt32(Int(server.active) + change)
      } else {
        server.inactive = UInt32(Int(server.inactive) + change)
      }
      return server
    }
    if let position = servers.firstIndex(where: { $0.id == id }) {
      servers[position] = counted(servers[position])
      service.setLoad(at: position, servers[position])
    } else if let place = absent.firstIndex(where: { $0.id == id }) {
      absent[place] = counted(absent[place])
    }
  }

  private mutating func flipOverload() {
    guard !servers.isEmpty else { return }
    let position = below(servers.count)
    servers[position].isOverloaded.toggle()
    service.setLoad(at: position, servers[position])
  }

  private mutating func edit() {
    guard !servers.isEmpty else { return }
    let position = below(servers.count)
    let weight = Self.weights[below(Self.weights.count)]
    servers[position].weight = weight
    if weight != 0 { servers[position].lastWeight = weight }
    service.edit(at: position, weight: weight)
    plain.changed(servers)
  }

  private mutating func add() {
    guard !absent.isEmpty else { return }
    var server = absent.remove(at: below(absent.count))
    server.weight = Self.weights[below(Self.weights.count)]
    server.lastWeight = server.weight
    server.isOverloaded = false
    servers.insert(server, at: 0)
    service.add(server)
    plain.changed(servers)
  }

  private mutating func remove() {
    guard !servers.isEmpty else { return }
    let position = below(servers.count)
    plain.willRemove(at: position, servers)
    absent.append(servers.remove(at: position))
    service.remove(at: position)
    plain.changed(servers)
  }
}
