import LVS
import Testing

@testable import Director

private func key(_ number: UInt32, port: UInt16 = 1) -> ConnectionKey {
  ConnectionKey(client: IPAddress(v4: number), clientPort: port, vip: 1, virtualPort: 80, transport: 6)
}

@Suite("The connection table")
struct ConnectionTableTests {
  @Test("costs 56 bytes for a connection, 64 with its index")
  func size() {
    #expect(MemoryLayout<Connection>.stride == 56)
    #expect(ConnectionTable.bytesPerRecord == 64)
  }

  @Test("does what a dictionary does, through growth, removal, reuse and shrinking")
  func equivalence() throws {
    var table = try ConnectionTable(capacity: 20_000, seed: 7)
    var plain: [UInt32: ServerNumber] = [:]
    var random = SplitMix64(seed: 1)
    for step in 0..<300_000 {
      // By turns it grows to the full, and is nearly empty.
      let isEbbing = step / 60_000 % 2 == 1
      if step % 100 == 0 { _ = table.shrink(limit: 300) }
      let client = UInt32(random.next(through: 30_000))
      let key = key(client)
      let number = table.find(key)
      #expect((number == 0) == (plain[client] == nil))
      if number == 0 {
        guard !isEbbing || random.next() & 15 == 0 else { continue }
        let inserted = table.insert(key)
        #expect((inserted == 0) == (plain.count == 20_000))
        if inserted != 0 {
          table[inserted].server = ServerNumber(step)
          plain[client] = ServerNumber(step)
        }
      } else {
        #expect(table[number].server == plain[client])
        if isEbbing || random.next() & 3 == 0 {
          table.remove(number)
          plain[client] = nil
        }
      }
    }
    #expect(table.count == plain.count)
  }

  @Test("gives its memory back when most connections are gone, and loses none of the others", arguments: [0, 7])
  func shrinks(kept: UInt32) throws {
    var table = try ConnectionTable(capacity: 1 << 20, seed: 7)
    var numbers: [UInt32: ConnectionNumber] = [:]
    for round in 0..<3 {
      for client in UInt32(0)..<300_000 where numbers[client] == nil {
        let key = key(client)
        let number = table.insert(key)
        table.time(number, expires: 1_000)
        numbers[client] = number
      }
      let full = table.bound
      #expect(full > 300_000 && full < 305_000)
      // The first ones stay, and one that lies far up.
      for (client, number) in numbers where client >= kept && client != 299_999 {
        table.remove(number)
        numbers[client] = nil
      }
      var slices = 0
      while table.shrink(limit: 2_048) { slices += 1 }
      #expect(slices > 100, "nothing waits for all of it")
      #expect(table.bucketCount < 2_000)
      #expect(numbers.allSatisfy { client, number in table.find(key(client)) == number }, "round \(round)")
      var visited = 0
      #expect(table.visit(from: 1, limit: .max) { _, _ in visited += 1 } == 0)
      #expect(visited == numbers.count && table.count == numbers.count)
      if let last = numbers.removeValue(forKey: 299_999) { table.remove(last) }
      while table.shrink(limit: 2_048) {}
      #expect(table.bound < full / 4)
    }
  }

  @Test("goes on with the lowest places that are free, so that high ones come to be")
  func lowestFirst() throws {
    var table = try ConnectionTable(capacity: 20_000, seed: 7)
    let numbers = (0..<20_000).map { table.insert(key($0)) }
    #expect(Set(numbers.map(\.rawValue)) == Set(1...20_000))
    for number in numbers where number.rawValue > 5_000 { table.remove(number) }
    while table.shrink(limit: 2_048) {}
    let later = (UInt32(30_000)..<35_000).map { table.insert(key($0)).rawValue }
    #expect(later.allSatisfy { $0 > 5_000 && $0 < 13_000 } && Set(later).count == 5_000)
  }

  @Test("counts the records of each lane, and knows the one that has waited longest")
  func lanes() throws {
    var table = try ConnectionTable(capacity: 100, seed: 7)
    table.startClock(50)
    let begun = (1...20).map { (client: UInt32) in
      let number = table.insert(key(client))
      table.time(number, expires: 50 + 6_000, lane: .freshTCP)
      return number
    }
    let other = table.insert(key(100))
    table.time(other, expires: 52, lane: .closing)
    #expect(table.count(.freshTCP) == 20 && table.count(.closing) == 1)
    #expect(table.first(of: .freshTCP) == begun[0] && table.first(of: .closed) == 0)
    #expect(table.next(after: begun[0]) == begun[1])
    table.remove(begun[0])
    table.time(begun[1], expires: 6_050, lane: .settled)
    #expect(table.first(of: .freshTCP) == begun[2] && table.count(.freshTCP) == 18)
    var budget = 1_000
    // What is handed from wheel to wheel keeps its order.
    for now in UInt32(50)...6_000 { #expect([0, other].contains(table.nextExpired(now, budget: &budget))) }
    for number in begun[2...] {
      #expect(table.first(of: .freshTCP) == number)
      table.remove(number)
    }
    #expect(Lane.count == Lane.allCases.count)
  }

  @Test("refuses one more than it holds, and has room again after a removal")
  func capacity() throws {
    var table = try ConnectionTable(capacity: 3, seed: 7)
    let numbers = (1...3).map { table.insert(key($0)) }
    #expect(!numbers.contains(0))
    #expect(table.insert(key(4)) == 0)
    table.remove(numbers[1])
    #expect(table.insert(key(4)) != 0)
    #expect(table.find(key(2)) == 0)
  }

  @Test("tells connections apart by each part of their key")
  func parts() throws {
    var table = try ConnectionTable(capacity: 100, seed: 7)
    let (a, b) = (IPAddress(v4: 1), IPAddress(v6: 0, 1))
    let keys = [
      ConnectionKey(client: a, clientPort: 1, vip: 1, virtualPort: 1, transport: 6),
      ConnectionKey(client: IPAddress(v4: 2), clientPort: 1, vip: 1, virtualPort: 1, transport: 6),
      ConnectionKey(client: a, clientPort: 2, vip: 1, virtualPort: 1, transport: 6),
      ConnectionKey(client: b, clientPort: 1, vip: 2, virtualPort: 1, transport: 6),
      ConnectionKey(client: IPAddress(v6: 1, 1), clientPort: 1, vip: 2, virtualPort: 1, transport: 6),
      ConnectionKey(client: a, clientPort: 1, vip: 1, virtualPort: 2, transport: 6),
      ConnectionKey(client: a, clientPort: 1, vip: 1, virtualPort: 1, transport: 17),
    ]
    let numbers = keys.map { table.insert($0) }
    for (key, number) in zip(keys, numbers) { #expect(table.find(key) == number) }
  }
}

@Suite("The timer wheel")
struct TimerWheelTests {
  /// Waits in hundredths of a second around the edges of the first three wheels; one start has the last one's too.
  private static let waits: [UInt32] = [
    1, 2, 255, 256, 257, 511, 512, 1_000, 65_535, 65_536, 65_537, 90_000, 131_072,
  ]
  private static let longWaits = waits + [16_777_215, 16_777_216]

  @Test(
    "brings each record up at its time, not before",
    arguments: [
      (0, waits), (1, waits), (255, waits), (256, waits), (65_535, waits), (0xffff_ff00, longWaits),
    ] as [(UInt32, [UInt32])])
  func times(_ start: UInt32, _ waits: [UInt32]) throws {
    var table = try ConnectionTable(capacity: 100, seed: 7)
    table.startClock(start)
    for (index, wait) in waits.enumerated() {
      let key = key(UInt32(index))
      table.time(table.insert(key), expires: start &+ wait)
    }
    var left = waits
    var now = start
    while let next = left.first {
      // Just before it, nothing comes up; then it does.
      for moment in [next > 1 ? start &+ next &- 1 : now, start &+ max(next, 1)] {
        guard TimerWheel.reached(now, by: moment) else { continue }
        now = moment
        var budget = Int.max
        while case let number = table.nextExpired(now, budget: &budget), number != 0 {
          let expires = table[number].expires
          #expect(TimerWheel.reached(expires, by: now))
          #expect(expires == start &+ left.removeFirst())
          table.remove(number)
        }
      }
    }
    #expect(table.count == 0)
  }

  @Test("puts back what was put off, however often")
  func postponed() throws {
    var table = try ConnectionTable(capacity: 10, seed: 7)
    table.startClock(0)
    let number = table.insert(key(1))
    table.time(number, expires: 100)
    var budget = Int.max
    for now in stride(from: UInt32(50), through: 5_000, by: 50) {
      #expect(table.nextExpired(now, budget: &budget) == 0)
      table[number].expires = now + 100
    }
    #expect(table.nextExpired(5_099, budget: &budget) == 0)
    #expect(table.nextExpired(5_100, budget: &budget) == number)
  }

  @Test("looks at no more than it may at once, and goes on where it stopped")
  func budget() throws {
    var table = try ConnectionTable(capacity: 1_000, seed: 7)
    table.startClock(0)
    for client in 1...1_000 {
      let key = key(UInt32(client))
      table.time(table.insert(key), expires: 70_000)
    }
    var (calls, ended) = (0, 0)
    while ended < 1_000, calls < 10_000 {
      var budget = 10
      while case let number = table.nextExpired(70_000, budget: &budget), number != 0 {
        table.remove(number)
        ended += 1
      }
      calls += 1
    }
    // Each record is looked at twice as the coarser wheels hand it down, and once when it is due; and there are 70,000
    // hundredths of a second to make up for.
    #expect(ended == 1_000)
    #expect((7_300...7_320).contains(calls))
  }
}

@Suite("The service table")
struct ServiceTableTests {
  private func packet(_ transport: UInt8, _ destination: String, _ port: UInt16) throws -> Packet {
    var packet = Packet()
    packet.destination = try #require(IPAddress(destination))
    packet.source = try #require(IPAddress(packet.destination.family == .v4 ? "192.0.2.1" : "2001:db8::99"))
    (packet.transport, packet.destinationPort) = (transport, port)
    return packet
  }

  private let table: SharedTable = {
    let keys = [
      "tcp:10.0.0.1:80", "udp:10.0.0.1:80", "tcp:10.0.0.1:21", "tcp:10.0.0.1:0", "tcp:[2001:db8::1]:80", "fwmark:7",
    ]
    let entries = keys.enumerated().map { number, key in
      ServiceTable.Entry(key: ServiceKey(key)!, match: .init(number: ServiceNumber(number)))
    }
    let addresses = ["10.0.0.1", "10.0.0.2", "2001:db8::1", "::10.0.0.1"]
    let vips = addresses.enumerated().map { number, text in (IPAddress(text)!, UInt16(number)) }
    let rules = [
      MarkRule(destination: Prefix("10.0.0.1/32")!, transport: .tcp, ports: PortRange(8_000, 8_100), mark: 7),
      MarkRule(
        destination: Prefix("10.0.0.1/32")!, source: Prefix("192.0.2.0/24")!, ports: PortRange(9_000, 9_000), mark: 8),
    ]
    return SharedTable(ServiceTable(vips: vips, services: entries, rules: rules, hosts: []))
  }()

  @Test(
    "finds a packet's service: the mark's, the exact one, FTP's, that of all ports",
    arguments: [
      (6, "10.0.0.1", 80, 0), (17, "10.0.0.1", 80, 1), (17, "10.0.0.1", 81, nil), (6, "10.0.0.1", 21, 2),
      (6, "10.0.0.1", 20, 2), (6, "10.0.0.1", 1_024, 2), (6, "10.0.0.1", 1_023, 3), (6, "2001:db8::1", 80, 4),
      (6, "2001:db8::1", 81, nil), (6, "10.0.0.2", 80, nil), (6, "10.0.0.1", 8_000, 5), (6, "10.0.0.1", 8_100, 5),
      (6, "10.0.0.1", 8_101, 2), (17, "10.0.0.1", 8_000, nil), (132, "10.0.0.1", 80, nil), (6, "10.0.0.1", 9_000, 2),
    ] as [(UInt8, String, UInt16, ServiceNumber?)])
  func find(_ transport: UInt8, _ destination: String, _ port: UInt16, _ expected: ServiceNumber?) throws {
    let packet = try packet(transport, destination, port)
    let vip = try #require(table.vip(destination))
    let match = table.service(packet, vip)
    #expect(match == (expected.map { ServiceTable.Match(number: $0) } ?? ServiceTable.Match.none))
  }

  @Test("owns the VIPs it was given and no others, whatever their family")
  func vips() {
    #expect(table.vip("10.0.0.1") == 0)
    #expect(table.vip("::10.0.0.1") == 3)
    #expect(table.vip("10.0.0.3") == nil)
    #expect(table.vip("::10.0.0.2") == nil)
  }
}

/// A table that test cases can share.
private final class SharedTable: @unchecked Sendable {
  private let table: ServiceTable
  init(_ table: consuming ServiceTable) { self.table = table }
  func vip(_ address: String) -> UInt16? { IPAddress(address).flatMap { table.vip($0) } }
  func service(_ packet: Packet, _ vip: UInt16) -> ServiceTable.Match { table.service(packet, vip) }
}
