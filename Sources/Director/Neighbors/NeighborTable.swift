import LVS

/// What became of a question or an answer about a neighbor.
enum NeighborChange: Equatable {
  case resolved(IPAddress, MACAddress)
  case moved(IPAddress, from: MACAddress, to: MACAddress)
  case lost(IPAddress)
}

/// A question to put on the wire: who has this address? To one station, or to all where `station` is nil.
struct NeighborQuestion: Equatable {
  var address: IPAddress
  var station: MACAddress?
}

/// Where the real servers are: asked for, believed for a while, asked again.
///
/// An answer counts only while a question is open. A claim that nobody asked for changes nothing; it makes the table
/// ask, once in a while. An address is asked of the known station first, then of everybody. Times are milliseconds.
///
/// As in the kernel, use makes an answer stale: a station that was sent to since it last answered is soon asked again,
/// so that one that moved without a word is missed within four seconds; one that nothing is sent to, seldom.
struct NeighborTable {
  /// How long an answer is believed before the station is asked again, if packets go to it and if not.
  static let usedTime: UInt64 = 2_500
  static let reachableTime: UInt64 = 30_000
  /// Between two looks whether packets go to it.
  static let lookInterval: UInt64 = 500
  /// Between two questions of a series.
  static let interval: UInt64 = 300
  /// A series: this many questions to the known station, then as many to everybody.
  static let questions = 3
  /// Between two questions to a neighbor that did not answer.
  static let retryInterval: UInt64 = 1_000
  /// Between two series that claims of others give rise to.
  static let claimInterval: UInt64 = 1_000
  /// How long a second station that answers for the address is remembered, and how long a survey takes answers.
  static let rivalMemory: UInt64 = 120_000
  static let surveyTime: UInt64 = 1_000

  private struct Entry {
    var mac: MACAddress?
    var state: NeighborStatus.State
    /// When it last answered, and how many packets had gone to it then.
    var confirmed: UInt64?
    var packets: UInt64 = 0
    /// Questions of the present series that went out.
    var asked = 0
    var next: UInt64
    /// When a claim last made the table ask.
    var claimed: UInt64?
    /// Another station that answered although this one was there, and when.
    var rival: (station: MACAddress, seen: UInt64)?
    /// Until when answers to a question that nobody depends on are heard.
    var surveyed: UInt64 = 0
  }

  private var entries: [IPAddress: Entry] = [:]
  private let packets: @Sendable (IPAddress) -> UInt64

  /// - Parameter packets: how many have gone to an address so far. It is asked about twice a second for each.
  init(packets: @escaping @Sendable (IPAddress) -> UInt64 = { _ in 0 }) {
    self.packets = packets
  }

  /// The addresses whose stations the operator did not fix.
  var asked: [IPAddress] { entries.filter { $0.value.state != .permanent }.map(\.key) }

  func mac(_ address: IPAddress) -> MACAddress? {
    entries[address].flatMap { $0.state == .failed ? nil : $0.mac }
  }

  /// Begins to resolve an address; `fixed` is its station where the operator says so.
  mutating func add(_ address: IPAddress, fixed: MACAddress? = nil, now: UInt64) {
    if let fixed {
      entries[address] = Entry(mac: fixed, state: .permanent, next: .max)
    } else if entries[address] == nil || entries[address]?.state == .permanent {
      entries[address] = Entry(mac: nil, state: .incomplete, next: now)
    }
  }

  mutating func remove(_ address: IPAddress) {
    entries[address] = nil
  }

  /// Frames wait for this address: a question is due now, unless one went out a moment ago.
  mutating func want(_ address: IPAddress, now: UInt64) {
    guard let entry = entries[address], entry.state == .failed || entry.state == .incomplete else { return }
    entries[address]?.next = min(entry.next, now + Self.interval / 3)
  }

  /// Somebody, unasked, calls `mac` the station of the address. Where that is news, the known station is asked.
  ///
  /// - Returns: whether it contradicts what is known.
  mutating func claim(_ address: IPAddress, _ mac: MACAddress, now: UInt64) -> Bool {
    guard let entry = entries[address], let known = self.mac(address), known != mac else { return false }
    if entry.state == .reachable, entry.claimed.map({ now >= $0 + Self.claimInterval }) ?? true {
      entries[address]?.state = .probing
      entries[address]?.asked = 0
      entries[address]?.next = now
      entries[address]?.claimed = now
    }
    return true
  }

  /// Takes an answer. It is not believed unless a question is open and `mac` can be a station's.
  ///
  /// - Returns: what came of it, and whether it contradicts what is known.
  mutating func answer(_ address: IPAddress, _ mac: MACAddress, now: UInt64) -> (NeighborChange?, isDisputed: Bool) {
    guard let entry = entries[address] else { return (nil, false) }
    let old = entry.state == .failed ? nil : entry.mac
    let isDisputed = !mac.isStation || old.map { $0 != mac } ?? false
    guard mac.isStation, entry.state != .permanent else { return (nil, isDisputed) }
    if let old, old != mac, entry.asked > 0 || now < entry.surveyed { entries[address]?.rival = (mac, now) }
    // While only the known station has been asked, nobody else has anything to say.
    guard entry.asked > 0, !isDisputed || entry.asked > Self.questions else { return (nil, isDisputed) }
    let rival = entry.rival.flatMap { $0.station == mac ? nil : $0 }
    entries[address] = Entry(
      mac: mac, state: .reachable, confirmed: now, packets: packets(address), next: now + Self.usedTime,
      claimed: entry.claimed, rival: rival, surveyed: entry.surveyed)
    guard let old else { return (.resolved(address, mac), false) }
    return (old == mac ? nil : .moved(address, from: old, to: mac), false)
  }

  /// Hears answers for a moment without a need, to learn who else answers.
  mutating func survey(_ now: UInt64) {
    for address in entries.keys {
      entries[address]?.surveyed = now + Self.surveyTime
      entries[address]?.rival = nil
    }
  }

  /// A second station that answered for the address of late.
  func rival(_ address: IPAddress, now: UInt64) -> MACAddress? {
    entries[address]?.rival.flatMap { now < $0.seen + Self.rivalMemory ? $0.station : nil }
  }

  /// Moves time on: what to ask now, and who was given up.
  mutating func tick(_ now: UInt64) -> (questions: [NeighborQuestion], changes: [NeighborChange]) {
    var questions: [NeighborQuestion] = []
    var changes: [NeighborChange] = []
    for address in entries.keys {
      guard let entry = entries[address], entry.next <= now else { continue }
      if let change = turn(address, entry, now) { changes.append(change) }
      guard let asking = entries[address], asking.next <= now else { continue }
      entries[address]?.asked = min(asking.asked + 1, 1_000)
      entries[address]?.next = now + (asking.state == .failed ? Self.retryInterval : Self.interval)
      let knowsStation = asking.state == .probing && asking.asked < Self.questions
      questions.append(NeighborQuestion(address: address, station: knowsStation ? asking.mac : nil))
    }
    return (questions, changes)
  }

  /// Moves an entry whose time is up to its next state.
  private mutating func turn(_ address: IPAddress, _ entry: Entry, _ now: UInt64) -> NeighborChange? {
    switch entry.state {
    case .reachable where packets(address) == entry.packets && now < (entry.confirmed ?? 0) + Self.reachableTime:
      entries[address]?.next = now + Self.lookInterval
    case .reachable:
      entries[address]?.state = .probing
      entries[address]?.asked = 0
    case .probing where entry.asked >= 2 * Self.questions, .incomplete where entry.asked >= Self.questions:
      entries[address]?.state = .failed
      return .lost(address)
    default: break
    }
    return nil
  }

  func listing(_ now: UInt64) -> [NeighborStatus] {
    entries.sorted { $0.key < $1.key }.map { address, entry in
      // A question that went out just now is no doubt yet.
      NeighborStatus(
        address: address, mac: entry.mac, state: entry.state == .probing && entry.asked < 2 ? .reachable : entry.state,
        confirmed: entry.confirmed.map { UInt32(clamping: ($0 > now ? 0 : now - $0) / 1_000) })
    }
  }
}
