import LVS

/// Something that happened to a VIP.
enum VIPChange: Equatable {
  /// Nobody else answered: it may be taken.
  case free(IPAddress)
  /// It turned out to be free after it had been somebody else's, and is ours now.
  case taken(IPAddress)
  /// Another host answers for it, or wants it at the same moment; `isPeer`: as another director may.
  case contested(IPAddress, MACAddress, isPeer: Bool = false)
  /// Given up to another host: a peer that announced it, or one that would not let go.
  case yielded(IPAddress, MACAddress)
  /// Left to whoever wants it, for as long as the director cannot serve it.
  case released(IPAddress)
}

/// A message about a VIP to put on the wire.
enum VIPMessage: Equatable {
  /// Does somebody have it? (RFC 5227, 2.1.1; RFC 4862, 5.4)
  case probe(IPAddress)
  /// It is ours: a gratuitous request and reply (RFC 5227, 2.3), an unsolicited advertisement (RFC 4861, 7.2.6).
  case announcement(IPAddress)
  /// It is given up: a probe by the station that had it, after which others may ask whether it is free.
  case farewell(IPAddress)
}

/// How a VIP is probed for and announced.
struct VIPTiming: Sendable {
  /// Probes before a VIP is taken, and milliseconds between two and after the last.
  var probeCount = 3
  var probeInterval: UInt64 = 200
  /// Announcements of a VIP just taken, and milliseconds between two.
  var announceCount = 3
  var announceInterval: UInt64 = 1_000
  /// Milliseconds between the announcements that keep switches' and bridges' tables from aging; 0: none.
  var announceRefresh: UInt64 = 60_000
  /// Whether a VIP is given up to somebody who claims it again after it was defended.
  var yields = false
  /// Whether VIPs are announced at all; where they are not, nobody is to ask for them either (a route leads to them).
  var announces: Bool { announceCount > 0 || announceRefresh > 0 }
  /// A claim of somebody else is answered with one announcement in this time (RFC 5227, 2.4).
  static let defendInterval: UInt64 = 10_000
  /// Between two attempts to get a VIP that is somebody else's.
  static let retryInterval: UInt64 = 10_000
}

/// Which VIPs are the director's on the LAN, and which are about to be. Times are milliseconds.
struct VIPTable {
  private struct Entry {
    var state: VIPStatus.State
    var otherOwner: MACAddress?
    /// Probes or announcements that went out.
    var sent = 0
    var next: UInt64
    var defended: UInt64?
    /// It was somebody else's, or may have become so, and is taken as soon as it is free.
    var isWaiting = false
    /// The other owner has it, and did not just ask for it.
    var isHeld = false
    /// It is ours only until another director has it.
    var isLeaving = false
    /// Another director asked for it since.
    var isWanted = false
    /// It was probed for while nobody could hear that.
    var isUnproven = false
    /// Others are to be asked for it, although it is ours.
    var isDoubted = false
    /// It is given up until the director can serve it again.
    var isSuspended = false
  }

  private var entries: [IPAddress: Entry] = [:]
  private(set) var claims = ClaimLog()
  /// Given up since the last tick.
  private var farewells: [IPAddress] = []
  /// Whether the link carries frames.
  private var isHeard = true
  /// Whether no VIP can be served, so that all are left to others.
  private var isSuspended = false
  let timing: VIPTiming

  init(timing: VIPTiming = VIPTiming()) {
    self.timing = timing
  }

  /// Whether the director answers for the address.
  func owns(_ address: IPAddress) -> Bool { entries[address]?.state == .owned }

  /// The same toward somebody who asks. One that is being left is free to those who want it.
  func answers(for address: IPAddress, isProbe: Bool) -> Bool {
    entries[address].map { $0.state == .owned && !($0.isLeaving && isProbe) } ?? false
  }

  var addresses: [IPAddress] { Array(entries.keys) }

  /// Begins to probe for an address.
  mutating func probe(_ address: IPAddress, now: UInt64) {
    entries[address] = Entry(state: .probing, next: now)
  }

  /// Takes an address and announces it from now on; or, where none can be served, once that is so again.
  mutating func take(_ address: IPAddress, now: UInt64) {
    // Whoever else has it could not say so: neither while it was probed for, nor, where that is forgotten, now.
    let isUnproven = entries[address].map { $0.state == .probing && $0.isUnproven } ?? !isHeard
    entries[address] =
      isSuspended
      ? Entry(state: .released, next: .max, isSuspended: true)
      : Entry(state: .owned, next: now, isUnproven: isUnproven)
  }

  /// Goes on with an address that was the director's just now: it is announced once, and asked for, so that who has come
  /// to have it meanwhile is heard of.
  mutating func keep(_ address: IPAddress, now: UInt64) {
    take(address, now: now)
    entries[address]?.sent = max(timing.announceCount - 1, 0)
    entries[address]?.isDoubted = true
  }

  /// Lets another host have the address for now, and takes it when it is free.
  mutating func wait(for address: IPAddress, heldBy mac: MACAddress?, now: UInt64) {
    let next = now + VIPTiming.retryInterval
    entries[address] = Entry(state: .contested, otherOwner: mac, next: next, isWaiting: true, isHeld: true)
  }

  /// Keeps quiet about an address until it is taken again.
  mutating func release(_ address: IPAddress) {
    giveUp(address)
    entries[address] = Entry(state: .released, next: .max)
  }

  mutating func remove(_ address: IPAddress) {
    giveUp(address)
    entries[address] = nil
    claims.forget(address)
  }

  private mutating func giveUp(_ address: IPAddress) {
    if owns(address) { farewells.append(address) }
  }

  /// Leaves the owned addresses to the directors that wait for them, and answers for each until one has it.
  mutating func leave() {
    for (address, entry) in entries where entry.state == .owned {
      farewells.append(address)
      entries[address]?.isLeaving = true
      entries[address]?.next = .max
    }
  }

  /// How many addresses are being left, and how many of those another director has asked for.
  var leaving: (count: Int, wanted: Int) {
    let left = entries.values.filter { $0.state == .owned && $0.isLeaving }
    return (left.count, left.count(where: \.isWanted))
  }

  /// Has others asked whether they have an address that was just taken, and announces it once more.
  mutating func doubt(_ address: IPAddress, now: UInt64) {
    guard owns(address) else { return }
    entries[address]?.isDoubted = true
    entries[address]?.next = now
  }

  /// Announces all owned addresses again, as if they had just been taken: switches may have forgotten them.
  mutating func announceAgain(_ now: UInt64) {
    for (address, entry) in entries where entry.state == .owned {
      entries[address]?.sent = 0
      entries[address]?.next = now
    }
  }

  /// The link carries frames, or none.
  mutating func link(isUp: Bool, now: UInt64) {
    if isUp, !isHeard { reappear(now) }
    isHeard = isUp
  }

  /// The director was neither heard nor did it hear for a while: others may have come to have its VIPs. What it never
  /// could ask for is asked for before it is used; the rest is announced, and asked for so that such a conflict is seen.
  mutating func reappear(_ now: UInt64) {
    announceAgain(now)
    for (address, entry) in entries where entry.state == .owned {
      if entry.isUnproven { retry(address, now) } else { entries[address]?.isDoubted = true }
    }
  }

  /// Leaves all VIPs to others: what arrives for them cannot be forwarded.
  mutating func suspend() -> [VIPChange] {
    isSuspended = true
    let owned = entries.filter { $0.value.state == .owned }.keys.sorted()
    for address in owned {
      giveUp(address)
      entries[address] = Entry(state: .released, next: .max, isSuspended: true)
    }
    return owned.map(VIPChange.released)
  }

  /// The VIPs can be served again: they are taken where nobody else has come to have them.
  mutating func resume(_ now: UInt64) {
    isSuspended = false
    for (address, entry) in entries where entry.isSuspended { retry(address, now) }
  }

  /// Probes for an address, and takes it if it is free.
  private mutating func retry(_ address: IPAddress, _ now: UInt64) {
    entries[address] = Entry(state: .probing, next: now, isWaiting: true)
  }

  /// Takes note of what another station says of an address; `isPeer`: it is a director that may have our VIPs.
  mutating func hear(_ message: NeighborMessage, isPeer: Bool, now: UInt64) -> (VIPChange?, VIPMessage?) {
    let address = message.address
    guard let entry = entries[address] else { return (nil, nil) }
    if !isPeer, message.kind != .probe { claims.add(message, now: now) }
    switch entry.state {
    case .probing:
      let isNews = entry.otherOwner != message.station
      wait(for: address, heldBy: message.station, now: now)
      entries[address]?.isWaiting = entry.isWaiting
      entries[address]?.isHeld = message.kind != .probe
      return (isNews ? .contested(address, message.station, isPeer: isPeer) : nil, nil)
    case .owned where entry.isLeaving:
      return (left(message, now), nil)
    case .owned where isPeer && message.kind == .announcement:
      wait(for: address, heldBy: message.station, now: now)
      return (.yielded(address, message.station), nil)
    case .owned where !isPeer && message.kind != .probe:
      return conflict(address, entry, with: message.station, now)
    case .contested where entry.isWaiting:
      follow(message, entry, now)
      return (nil, nil)
    case .released:
      if message.kind != .probe { entries[address]?.otherOwner = message.station }
      return (nil, nil)
    case .owned, .contested:
      return (nil, nil)
    }
  }

  /// What is said of an address that is being left: it is another's as soon as that announces it.
  private mutating func left(_ message: NeighborMessage, _ now: UInt64) -> VIPChange? {
    guard message.kind == .announcement else {
      if message.kind == .probe { entries[message.address]?.isWanted = true }
      return nil
    }
    wait(for: message.address, heldBy: message.station, now: now)
    return .yielded(message.address, message.station)
  }

  /// What is said of an address that is waited for: an owner that itself asks who has it has given it up.
  private mutating func follow(_ message: NeighborMessage, _ entry: Entry, _ now: UInt64) {
    if message.kind != .probe {
      entries[message.address]?.otherOwner = message.station
      entries[message.address]?.isHeld = true
    } else if entry.isHeld, entry.otherOwner == message.station {
      entries[message.address]?.next = now
    }
  }

  /// Defends an address once in a while; who claims it yet again gets it where that is the operator's choice.
  private mutating func conflict(
    _ address: IPAddress, _ entry: Entry, with mac: MACAddress, _ now: UInt64
  ) -> (VIPChange?, VIPMessage?) {
    entries[address]?.otherOwner = mac
    guard let defended = entry.defended, now < defended + VIPTiming.defendInterval else {
      entries[address]?.defended = now
      return (.contested(address, mac), .announcement(address))
    }
    guard timing.yields else { return (nil, nil) }
    wait(for: address, heldBy: mac, now: now)
    return (.yielded(address, mac), nil)
  }

  /// Moves time on: what to send now, and what that means for whom.
  mutating func tick(_ now: UInt64) -> (messages: [VIPMessage], changes: [VIPChange]) {
    // One that was taken again meanwhile is not given up.
    var messages = farewells.filter { !answers(for: $0, isProbe: true) }.map(VIPMessage.farewell)
    farewells = []
    var changes: [VIPChange] = []
    for address in entries.keys {
      guard let entry = entries[address], entry.next <= now else { continue }
      switch entry.state {
      case .probing where entry.sent < timing.probeCount:
        messages.append(.probe(address))
        entries[address]?.sent += 1
        entries[address]?.next = now + timing.probeInterval
        if !isHeard { entries[address]?.isUnproven = true }
      case .probing where entry.isWaiting && isSuspended:
        take(address, now: now)
      case .probing where entry.isWaiting:
        take(address, now: now)
        changes.append(.taken(address))
      case .probing:
        entries[address]?.next = .max
        changes.append(.free(address))
      case .owned:
        if entry.isDoubted { messages.append(.probe(address)) }
        entries[address]?.isDoubted = false
        if timing.announces { messages.append(.announcement(address)) }
        announced(address, entry, now)
      case .contested where entry.isWaiting:
        entries[address]?.state = .probing
        entries[address]?.sent = 0
      case .contested, .released:
        entries[address]?.next = .max
      }
    }
    return (messages, changes)
  }

  /// When the next announcement is due.
  private mutating func announced(_ address: IPAddress, _ entry: Entry, _ now: UInt64) {
    let sent = min(entry.sent + 1, timing.announceCount)
    entries[address]?.sent = sent
    let refresh = timing.announceRefresh == 0 ? UInt64.max : now + timing.announceRefresh
    entries[address]?.next = sent < timing.announceCount ? now + timing.announceInterval : refresh
  }

  var listing: [VIPStatus] {
    entries.sorted { $0.key < $1.key }.map { address, entry in
      VIPStatus(address: address, state: entry.state, otherOwner: entry.otherOwner)
    }
  }

  /// Forgets the claims that are older than `memory`, or all that were answers to us.
  mutating func forgetClaims(now: UInt64, memory: UInt64, answers: Bool = false) {
    claims.expire(now: now, memory: memory, answers: answers)
  }
}
