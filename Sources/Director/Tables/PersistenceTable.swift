import LVS
import Synchronization

/// The persistence templates of all services: which server a client's next connections go to.
///
/// A template is found by the masked client address and kept while it controls connections (`children` counts them).
/// Connections of one client network may have several owners, hence one table under one lock, which is taken inside
/// a service's lock and at the end of a controlled connection.
final class PersistenceTable: Sendable {
  /// How much longer a template stays when its time is up and connections of it live. From then on that is its lifetime.
  private static let grace = 60 * ticksPerSecond

  /// Templates that are looked at while workers wait for the lock.
  private static let slice = 512

  /// Templates that are looked at to find one without connections.
  private static let looks = 16
  /// Slices in which memory is given back at most each time, and the steps of one.
  private static let shrinking = (slices: 64, steps: 2_048)

  /// Where templates are kept.
  private static let file = "templates"

  private let table: Mutex<ConnectionTable>
  /// What is mixed into the keys of those templates that go by a Call-ID: its hash, by the template's number; 0 for none.
  /// Locked inside `table`'s lock.
  private let callIDs: Mutex<PagedBuffer<UInt64>>
  private let servers: ServerTable
  let capacity: Int
  private let live = Atomic<Int>(0)
  /// Templates without connections that made room for new ones.
  private let displaced = Atomic<UInt64>(0)

  /// - Parameter state: where the templates are kept; nil where they go with the process.
  init(
    capacity: Int, seed: UInt64, servers: ServerTable, in state: StateDirectory? = nil
  ) throws(SystemError) {
    table = Mutex(
      try ConnectionTable(capacity: capacity, seed: seed, option: "--templates", in: state, Self.file))
    callIDs = Mutex(try PagedBuffer(count: capacity + 1, in: state, "call-ids"))
    (self.servers, self.capacity) = (servers, capacity)
  }

  var count: Int { live.load(ordering: .relaxed) }
  var evicted: UInt64 { displaced.load(ordering: .relaxed) }

  /// What a client's new connection is to go by.
  enum Adoption: Equatable {
    case template(TemplateNumber, server: ServerNumber)
    /// No server can take the connection.
    case noServer
    case full
  }

  /// The key of a client's template.
  ///
  /// The port is the service's where the packet's is the same; FTP's and all-port services' templates cover every
  /// port, and those of a firewall mark have the mark in the VIP's place.
  ///
  /// - Parameter callID: the hash of the message's Call-ID, where the service's engine goes by that, else 0.
  static func key(
    _ client: IPAddress, port: UInt16, vip: UInt16, _ service: ServiceKey, _ netmask: Netmask, callID: UInt64
  ) -> ConnectionKey {
    let masked = netmask.apply(client)
    var key = key(masked, port: port, vip: vip, service)
    key.high ^= callID
    return key
  }

  private static func key(_ masked: IPAddress, port: UInt16, vip: UInt16, _ service: ServiceKey) -> ConnectionKey {
    switch service {
    case .endpoint(let transport, let end):
      let covered = port == end.port && port != 21 ? port : 0
      return ConnectionKey(client: masked, clientPort: 0, vip: vip, virtualPort: covered, transport: transport.rawValue)
    case .fwmark(let mark, _):
      return ConnectionKey(
        client: masked, clientPort: 0, vip: UInt16(mark >> 16), virtualPort: UInt16(truncatingIfNeeded: mark),
        transport: 0)
    }
  }

  /// A connection of a client begins: finds the template, or makes one to the server that `pick` selects.
  ///
  /// All of it is one step, so that the template cannot end before it counts the connection. `pick` is called with the
  /// table's lock held.
  ///
  /// - Parameters:
  ///   - callID: the hash of the message's Call-ID, where the service's engine goes by that, else 0.
  ///   - lifetime: a new template's, in hundredths of a second. It keeps that, whatever its service's becomes.
  ///   - countsChild: whether the connection stays and will be disowned.
  func adopt(
    _ key: ConnectionKey, callID: UInt64, lifetime: UInt32, _ now: UInt32, expireQuiescent: Bool, countsChild: Bool,
    pick: () -> ServerNumber?
  ) -> Adoption {
    table.withLock { table -> Adoption in
      var number = find(key, &table, now, expireQuiescent: expireQuiescent)
      if number == 0 {
        guard let server = pick() else { return .noServer }
        number = insert(key, &table, callID: callID, server: server, lifetime: lifetime, now)
        guard number != 0 else { return .full }
      }
      if countsChild { table[number].children += 1 }
      table[number].flags.remove(.synced)
      table[number].expires = now &+ table[number].lifetime
      return .template(TemplateNumber(number), server: table[number].server)
    }
  }

  /// The template under this key, or 0. One that must not be used any more is put aside to end in its time.
  private func find(
    _ key: ConnectionKey, _ table: inout ConnectionTable, _ now: UInt32, expireQuiescent: Bool
  ) -> ConnectionNumber {
    let number = table.find(key)
    guard number != 0, !end(number, &table, now) else { return 0 }
    let server = table[number].server
    if servers[server].isAvailable.load(ordering: .relaxed),
      !(expireQuiescent && servers[server].isQuiesced.load(ordering: .relaxed))
    {
      return number
    }
    // `ip_vs_check_template`
    table.rekey(number, to: ConnectionKey(high: key.high, low: key.low, ports: key.ports | ConnectionKey.invalidated))
    return 0
  }

  /// A new template to `server`; 0 where the table is full.
  private func insert(
    _ key: ConnectionKey, _ table: inout ConnectionTable, callID: UInt64, server: ServerNumber, lifetime: UInt32,
    _ now: UInt32
  ) -> ConnectionNumber {
    var number = table.insert(key)
    if number == 0, displace(&table) { number = table.insert(key) }
    guard number != 0 else { return 0 }
    set(callID, of: number)
    table[number].server = server
    table[number].flags = .template
    table[number].lifetime = lifetime
    table.time(number, expires: now &+ lifetime, lane: .unassured)
    servers[server].templates.wrappingAdd(1, ordering: .relaxed)
    live.store(table.count, ordering: .relaxed)
    return number
  }

  private func set(_ callID: UInt64, of number: ConnectionNumber) {
    callIDs.withLock { callIDs in
      if Places.mayBeginSegment(number.rawValue) { callIDs.secure(Places.segment(of: number.rawValue)) }
      if callIDs[Int(number)] != callID { callIDs[Int(number)] = callID }
    }
  }

  /// Removes a template without connections to make room, one that has waited long, if there is one of which none was
  /// ever established; whether one was found. Those that are looked at in vain go to the end of their lane.
  private func displace(_ table: inout ConnectionTable) -> Bool {
    for look in 0..<2 * Self.looks {
      let number = table.first(of: look < Self.looks ? .unassured : .assured)
      guard number != 0 else { continue }
      if table[number].children == 0 {
        remove(number, &table)
        displaced.wrappingAdd(1, ordering: .relaxed)
        return true
      }
      table.time(number, expires: table[number].expires)
    }
    return false
  }

  /// A connection of the template was established.
  func assure(_ template: TemplateNumber) {
    let number = template.record
    table.withLock { table in
      guard !table[number].flags.contains(.assured) else { return }
      table[number].flags.formUnion(.assured)
      table.time(number, expires: table[number].expires, lane: .assured)
    }
  }

  /// Enters a template that another director told of, or puts off the end of the one that is there.
  ///
  /// - Parameters:
  ///   - lifetime: in hundredths of a second.
  ///   - isSnapshot: one that is there stays as it is.
  func take(
    _ key: ConnectionKey, server: ServerNumber, lifetime: UInt32, isAssured: Bool, _ isSnapshot: Bool, _ now: UInt32
  ) -> SyncOutcome {
    table.withLock { table in
      var number = table.find(key)
      let isKnown = number != 0 && !end(number, &table, now)
      if !isKnown {
        guard table.count < capacity / 8 * 7 else { return .full }
        number = insert(key, &table, callID: 0, server: server, lifetime: lifetime, now)
        guard number != 0 else { return .full }
      }
      guard table[number].server == server else { return .conflict }
      guard !isKnown || !isSnapshot else { return .known }
      let isAssured = isAssured || table[number].flags.contains(.assured)
      table[number].flags.formUnion(isAssured ? [.synced, .assured] : .synced)
      table[number].lifetime = lifetime
      table.time(number, expires: now &+ lifetime, lane: isAssured ? .assured : .unassured)
      return isKnown ? .updated : .entered
    }
  }

  /// A connection of the template ended. Where it was forced out and the template has no other use, that goes too.
  func disown(_ template: TemplateNumber, forced: Bool) {
    let number = template.record
    table.withLock { table in
      table[number].children &-= 1
      if forced, table[number].children == 0, !table[number].flags.contains(.assured) { remove(number, &table) }
    }
  }

  /// Removes the templates whose time is up, and gives memory back where most are gone.
  func expire(_ now: UInt32) {
    var isBehind = true
    while isBehind {
      isBehind = table.withLock { table in
        var left = Self.slice
        while true {
          let number = table.nextExpired(now, budget: &left)
          guard number != 0 else { return left == 0 }
          _ = end(number, &table, now)
        }
      }
    }
    for _ in 0..<Self.shrinking.slices {
      guard table.withLock({ $0.shrink(limit: Self.shrinking.steps) }) else { return }
    }
  }

  /// Removes some of the templates of removed servers that control no connection; where to go on, or 0 at the end.
  func sweep(from start: UInt32, limit: UInt32) -> UInt32 {
    table.withLock { table in
      var dead: [ConnectionNumber] = []
      let next = table.visit(from: start, limit: limit) { number, template in
        if template.children == 0, !servers[template.server].isAvailable.load(ordering: .relaxed) {
          dead.append(number)
        }
      }
      for number in dead { remove(number, &table) }
      return next
    }
  }

  func startClock(_ now: UInt32) {
    table.withLock { table in table.startClock(now) }
  }

  /// Takes over what an earlier process left, without the connections that templates control: each is claimed anew.
  ///
  /// - Returns: see `ConnectionTable.recover`.
  func recover(_ now: UInt32, _ judge: (inout Connection) -> Bool) -> Int {
    table.withLock { table in
      let refused = table.recover(now) { template in
        guard judge(&template) else { return false }
        servers[template.server].templates.wrappingAdd(1, ordering: .relaxed)
        return true
      }
      live.store(table.count, ordering: .relaxed)
      callIDs.withLock { $0.secure(0..<Int(table.bound)) }
      return refused
    }
  }

  /// Has a template count a connection to this server that was found; whether it is there and may.
  func claim(_ template: TemplateNumber, server: ServerNumber) -> Bool {
    let number = template.record
    return table.withLock { table in
      guard table.isLive(number), table[number].server == server else {
        return false
      }
      table[number].children += 1
      return true
    }
  }

  /// Copies of some templates, with their clients' addresses; where to go on, or 0 at the end.
  func slice(from start: UInt32, limit: UInt32) -> ([Connection], next: UInt32) {
    let (templates, next) = numbered(from: start, limit: limit)
    return (templates.map(\.1), next)
  }

  /// The same with their numbers.
  func numbered(from start: UInt32, limit: UInt32) -> ([(ConnectionNumber, Connection)], next: UInt32) {
    table.withLock { table in
      callIDs.withLock { callIDs in
        var templates: [(ConnectionNumber, Connection)] = []
        let next = table.visit(from: start, limit: limit) { number, template in
          templates.append((number, template))
          templates[templates.count - 1].1.high ^= callIDs[Int(number)]
        }
        return (templates, next)
      }
    }
  }

  /// Ends a template whose time is up, or grants it more where it controls connections; whether it is gone.
  private func end(_ number: ConnectionNumber, _ table: inout ConnectionTable, _ now: UInt32) -> Bool {
    guard TimerWheel.reached(table[number].expires, by: now) else { return false }
    if table[number].children > 0 {
      table[number].lifetime = Self.grace
      table.time(number, expires: now &+ Self.grace)
      return false
    }
    remove(number, &table)
    return true
  }

  private func remove(_ number: ConnectionNumber, _ table: inout ConnectionTable) {
    servers[table[number].server].templates.wrappingSubtract(1, ordering: .relaxed)
    callIDs.withLock { if $0[Int(number)] != 0 { $0[Int(number)] = 0 } }
    table.remove(number)
    live.store(table.count, ordering: .relaxed)
  }
}

extension TemplateNumber {
  fileprivate init(_ record: ConnectionNumber) { self.init(rawValue: record.rawValue) }

  fileprivate var record: ConnectionNumber { ConnectionNumber(rawValue: rawValue) }
}
