import LVS

@testable import Director

/// The schedulers as the reference tells them: plain walks over an array, the first being the head of the list.
/// A server is remembered by its id.
protocol PlainScheduler: AnyObject {
  /// The list is another one, or a weight in it was edited.
  func changed(_ servers: [ServerLoad])
  /// Called with the list that still has the server, before `changed`.
  func willRemove(at position: Int, _ servers: [ServerLoad])
  /// Called after `changed`.
  func pick(_ connection: NewConnection, _ servers: [ServerLoad]) -> Int?
}

extension PlainScheduler {
  func changed(_ servers: [ServerLoad]) {}
  func willRemove(at position: Int, _ servers: [ServerLoad]) {}
}

final class PlainRoundRobin: PlainScheduler {
  /// nil is the head of the list.
  private var last: ServerNumber?

  func willRemove(at position: Int, _ servers: [ServerLoad]) {
    if servers[position].id == last { last = position > 0 ? servers[position - 1].id : nil }
  }

  func pick(_ connection: NewConnection, _ servers: [ServerLoad]) -> Int? {
    let start = servers.firstIndex { $0.id == last } ?? -1
    for step in 1...max(servers.count, 1) where !servers.isEmpty {
      let position = (start + step) % servers.count
      if servers[position].isUsable {
        last = servers[position].id
        return position
      }
    }
    return nil
  }
}

final class PlainWeightedRoundRobin: PlainScheduler {
  /// A position; -1 is the head of the list.
  private var cl = -1
  private var (cw, mw, di): (Int32, Int32, Int32) = (0, 0, 1)

  func changed(_ servers: [ServerLoad]) {
    cl = -1
    di = max(servers.map(\.weight).filter { $0 > 0 }.reduce(0, Self.gcd), 1)
    mw = (servers.map(\.weight).max() ?? 0) - (di - 1)
    if cw > mw || cw == 0 { cw = mw } else if di > 1 { cw = cw / di * di + 1 }
  }

  private static func gcd(_ a: Int32, _ b: Int32) -> Int32 { b == 0 ? a : gcd(b, a % b) }

  func pick(_ connection: NewConnection, _ servers: [ServerLoad]) -> Int? {
    if mw <= 0 { return nil }
    let last = cl
    var current = cl
    var stop: Int?
    var (lastPass, restarted) = (false, false)
    while true {
      for position in (current + 1)..<max(servers.count, current + 1) {
        if !servers[position].isOverloaded && servers[position].weight >= cw {
          cl = position
          return position
        }
        if position == stop {
          cl = position
          return nil
        }
      }
      current = -1
      cw -= di
      if cw <= 0 {
        cw = mw
        if lastPass || last == -1 {
          cl = -1
          return nil
        }
        restarted = true
      }
      lastPass = cw <= di
      if lastPass && restarted && last != -1 { stop = last }
    }
  }
}

/// `lc wlc sed nq fo ovf`, each a rule of its own that walks the list.
final class PlainLeast: PlainScheduler {
  private let choose: ([ServerLoad]) -> Int?

  init(_ choose: @escaping ([ServerLoad]) -> Int?) { self.choose = choose }

  func pick(_ connection: NewConnection, _ servers: [ServerLoad]) -> Int? { choose(servers) }

  static func lc(_ servers: [ServerLoad]) -> Int? {
    var best: Int?
    for (position, server) in servers.enumerated() where !server.isOverloaded && server.weight != 0 {
      if best == nil || server.overhead < servers[best!].overhead { best = position }
    }
    return best
  }

  private static func leastQuotient(_ servers: [ServerLoad], _ cost: (ServerLoad) -> Int64) -> Int? {
    var best: Int?
    for (position, server) in servers.enumerated() where !server.isOverloaded {
      if let least = best.map({ servers[$0] }) {
        if cost(least) * Int64(server.weight) > cost(server) * Int64(least.weight) { best = position }
      } else if server.weight > 0 {
        best = position
      }
    }
    return best
  }

  static func wlc(_ servers: [ServerLoad]) -> Int? {
    leastQuotient(servers) { Int64($0.active) * 256 + Int64($0.inactive) }
  }

  static func sed(_ servers: [ServerLoad]) -> Int? { leastQuotient(servers) { Int64($0.active) + 1 } }

  static func nq(_ servers: [ServerLoad]) -> Int? {
    servers.firstIndex { !$0.isOverloaded && $0.weight != 0 && $0.active == 0 } ?? sed(servers)
  }

  static func fo(_ servers: [ServerLoad]) -> Int? {
    var best: Int?
    for (position, server) in servers.enumerated() where !server.isOverloaded && server.weight > 0 {
      if best == nil || server.weight > servers[best!].weight { best = position }
    }
    return best
  }

  static func ovf(_ servers: [ServerLoad]) -> Int? {
    var best: Int?
    for (position, server) in servers.enumerated() {
      if server.isOverloaded || server.weight == 0 || Int64(server.active) > Int64(server.weight) { continue }
      if best == nil || server.weight > servers[best!].weight { best = position }
    }
    return best
  }
}

final class PlainTwos: PlainScheduler {
  private var random: SplitMix64

  init(seed: UInt64) { random = SplitMix64(seed: seed) }

  func pick(_ connection: NewConnection, _ servers: [ServerLoad]) -> Int? {
    let total = servers.filter(\.isUsable).reduce(0) { $0 + Int64($1.weight) }
    if total == 0 { return nil }
    var draws = (0..<2).map { _ in Int64(random.next(through: UInt64(total))) }
    var choices: [Int?] = [nil, nil]
    for (position, server) in servers.enumerated() where server.isUsable {
      for draw in 0..<2 {
        draws[draw] -= Int64(server.weight)
        if draws[draw] <= 0 && choices[draw] == nil { choices[draw] = position }
      }
    }
    let (one, two) = (servers[choices[0]!], servers[choices[1]!])
    return UInt64(two.weight) * one.overhead > UInt64(one.weight) * two.overhead ? choices[1] : choices[0]
  }
}

private func hash8(_ value: UInt32) -> Int { Int((value &* 0x61C8_8647) >> 24) }

final class PlainDestinationHashing: PlainScheduler {
  func pick(_ connection: NewConnection, _ servers: [ServerLoad]) -> Int? {
    if servers.isEmpty { return nil }
    let position = hash8(connection.destination.folded) % servers.count
    return servers[position].isUsable ? position : nil
  }
}

final class PlainSourceHashing: PlainScheduler {
  private let flags: SchedulerFlags
  private var buckets: [Int] = []

  init(flags: SchedulerFlags) { self.flags = flags }

  func changed(_ servers: [ServerLoad]) {
    buckets = []
    while buckets.count < 256 && !servers.isEmpty {
      for (position, server) in servers.enumerated() {
        buckets += Array(repeating: position, count: max(Int(server.weight), 1))
      }
    }
  }

  func pick(_ connection: NewConnection, _ servers: [ServerLoad]) -> Int? {
    if servers.isEmpty { return nil }
    let port = flags.contains(.port) ? UInt32(connection.clientPort) : 0
    let base = hash8(connection.client.folded &+ port)
    func bucket(_ offset: Int) -> Int { buckets[(offset + base) & 255] }
    if servers[bucket(0)].isUsable { return bucket(0) }
    if !flags.contains(.fallback) { return nil }
    return (0..<256).map { bucket(($0 + base) % 256) }.first { servers[$0].isUsable }
  }
}

final class PlainMaglevHashing: PlainScheduler {
  private let flags: SchedulerFlags
  private let (size, bits): (UInt32, Int)
  private var table: [Int?] = []

  init(flags: SchedulerFlags, size: UInt32, bits: Int) {
    (self.flags, self.size, self.bits) = (flags, size, bits)
  }

  private func hash1(_ value: UInt32) -> UInt32 { sipHash13(value, key: 2_654_435_761) }

  func changed(_ servers: [ServerLoad]) {
    table = Array(repeating: nil, count: Int(size))
    let weights = servers.map { Int($0.lastWeight) }
    let positive = weights.filter { $0 > 0 }
    guard let greatest = positive.max() else { return }
    let divisor = positive.reduce(0) { a, b in (1...b).last { a % $0 == 0 && b % $0 == 0 }! }
    var shift = 0
    while (greatest / divisor) >> shift >= 1 << bits { shift += 1 }
    let names = servers.map { $0.address &+ UInt32($0.port) }
    var perm = names.map { Int(hash1($0) % size) }
    let skip = names.map { Int(sipHash13($0, key: 2_654_446_892) % (size - 1)) + 1 }
    var free = Int(size)
    while true {
      for position in servers.indices where weights[position] > 0 {
        for _ in 0..<max((weights[position] / divisor) >> shift, 1) {
          while table[perm[position]] != nil { perm[position] = (perm[position] + skip[position]) % Int(size) }
          table[perm[position]] = position
          free -= 1
          if free == 0 { return }
        }
      }
    }
  }

  func pick(_ connection: NewConnection, _ servers: [ServerLoad]) -> Int? {
    let client = connection.client.folded &+ (flags.contains(.port) ? UInt32(connection.clientPort) : 0)
    let slot = hash1(client) % size
    guard !table.isEmpty, let position = table[Int(slot)] else { return nil }
    if servers[position].isUsable { return position }
    if !flags.contains(.fallback) { return nil }
    for offset in 0..<size {
      let other = hash1((offset + slot) % size &+ client) % size
      if let position = table[Int(other)], servers[position].isUsable { return position }
    }
    return nil
  }
}

/// `lblc` and `lblcr`. A member that left the list is the first to go from a set, as the reference leaves open.
final class PlainLocality: PlainScheduler {
  private struct Entry {
    /// Ids, the newest first.
    var members: [ServerNumber]
    var lastUse: UInt32
    var lastChange: UInt32
  }

  private let isReplicated: Bool
  private let expiration: UInt32
  private var entries: [IPAddress: Entry] = [:]
  private var lastSweep: UInt32?
  private var minutes: UInt32 = 0

  init(isReplicated: Bool, expiration: UInt32) {
    (self.isReplicated, self.expiration) = (isReplicated, expiration)
  }

  func pick(_ connection: NewConnection, _ servers: [ServerLoad]) -> Int? {
    let now = connection.now
    sweep(now)
    if var entry = entries[connection.destination] {
      entry.lastUse = now
      let known = isReplicated ? pickReplicated(&entry, servers, now) : pickCached(entry, servers)
      entries[connection.destination] = entry
      if let known { return known }
    }
    guard let best = PlainLeast.wlc(servers) else { return nil }
    remember(servers[best].id, connection)
    return best
  }

  private func pickCached(_ entry: Entry, _ servers: [ServerLoad]) -> Int? {
    let position = servers.firstIndex { $0.id == entry.members[0] }
    return position.flatMap { servers[$0].weight > 0 && !isCrowded(servers[$0], servers) ? $0 : nil }
  }

  private func pickReplicated(_ entry: inout Entry, _ servers: [ServerLoad], _ now: UInt32) -> Int? {
    let members = entry.members.compactMap { id in servers.first { $0.id == id } }
    let least = PlainLeast.wlc(members).map { members[$0] }
    if entry.members.count > 1 && now > entry.lastChange + expiration {
      let gone = entry.members.first { id in !servers.contains { $0.id == id } }
      if let busiest = gone ?? busiest(of: members) {
        entry.members.removeAll { $0 == busiest }
        entry.lastChange = now
      }
    }
    guard let least, !isCrowded(least, servers) else { return nil }
    return servers.firstIndex { $0.id == least.id }
  }

  private func busiest(of members: [ServerLoad]) -> ServerNumber? {
    var most: ServerLoad?
    for member in members where member.weight > 0 {
      if let known = most, known.overhead * UInt64(member.weight) >= member.overhead * UInt64(known.weight) { continue }
      most = member
    }
    return most?.id
  }

  private func isCrowded(_ server: ServerLoad, _ servers: [ServerLoad]) -> Bool {
    Int64(server.active) > Int64(server.weight) && servers.contains { Int64($0.active) * 2 < Int64($0.weight) }
  }

  private func remember(_ id: ServerNumber, _ connection: NewConnection) {
    let now = connection.now
    var entry = entries[connection.destination] ?? Entry(members: [], lastUse: now, lastChange: now)
    if !isReplicated {
      entry.members = [id]
    } else if !entry.members.contains(id) {
      entry.members.insert(id, at: 0)
      entry.lastChange = now
    }
    entries[connection.destination] = entry
  }

  private func sweep(_ now: UInt32) {
    let passed = (now - (lastSweep ?? now)) / 6000
    if lastSweep != nil && passed == 0 { return }
    lastSweep = now
    minutes += passed
    if minutes < 30 { return }
    minutes = 0
    entries = entries.filter { now - $0.value.lastUse < expiration }
  }
}
