import LVS

/// Something that happened to a VIP.
enum VIPChange: Equatable {
  /// Nobody else answered: it may be taken.
  case free(IPAddress)
  /// Another host answers for it, or wants it at the same moment.
  case contested(IPAddress, MACAddress)
}

/// A message about a VIP to put on the wire.
enum VIPMessage: Equatable {
  /// Does somebody have it? (RFC 5227, 2.1.1)
  case probe(IPAddress)
  /// It is ours: a gratuitous request and reply (RFC 5227, 2.3).
  case announcement(IPAddress)
}

/// How a VIP is probed for and announced.
struct VIPTiming: Sendable {
  /// Probes before a VIP is taken, and milliseconds between two and after the last.
  var probeCount = 3
  var probeInterval: UInt64 = 200
  /// Announcements of a VIP just taken, and milliseconds between two.
  var announceCount = 3
  var announceInterval: UInt64 = 1_000
  /// Milliseconds between the announcements that keep switches' and bridges' tables from ageing.
  var announceRefresh: UInt64 = 60_000
  /// A claim of somebody else is answered with one announcement in this time (RFC 5227, 2.4).
  static let defendInterval: UInt64 = 10_000
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
  }

  private var entries: [IPAddress: Entry] = [:]
  let timing: VIPTiming

  init(timing: VIPTiming = VIPTiming()) {
    self.timing = timing
  }

  /// Whether the director answers for the address.
  func owns(_ address: IPAddress) -> Bool { entries[address]?.state == .owned }

  /// Begins to probe for an address.
  mutating func probe(_ address: IPAddress, now: UInt64) {
    entries[address] = Entry(state: .probing, next: now)
  }

  /// Takes an address and announces it from now on.
  mutating func take(_ address: IPAddress, now: UInt64) {
    entries[address] = Entry(state: .owned, next: now)
  }

  mutating func release(_ address: IPAddress) {
    entries[address] = nil
  }

  /// Another station uses the address, or (`isProbe`) wants to.
  mutating func claim(_ address: IPAddress, by mac: MACAddress, isProbe: Bool, now: UInt64) -> (VIPChange?, VIPMessage?) {
    guard let entry = entries[address] else { return (nil, nil) }
    switch entry.state {
    case .probing:
      entries[address]?.state = .contested
      entries[address]?.otherOwner = mac
      return (.contested(address, mac), nil)
    case .owned where !isProbe:
      entries[address]?.otherOwner = mac
      if let defended = entry.defended, now < defended + VIPTiming.defendInterval { return (nil, nil) }
      entries[address]?.defended = now
      return (.contested(address, mac), .announcement(address))
    case .owned, .contested:
      return (nil, nil)
    }
  }

  /// Moves time on: what to send now, and which VIPs turned out to be free.
  mutating func tick(_ now: UInt64) -> (messages: [VIPMessage], changes: [VIPChange]) {
    var messages: [VIPMessage] = []
    var changes: [VIPChange] = []
    for address in entries.keys {
      guard let entry = entries[address], entry.next <= now else { continue }
      switch entry.state {
      case .probing where entry.sent >= timing.probeCount:
        entries[address]?.next = .max
        changes.append(.free(address))
      case .probing:
        messages.append(.probe(address))
        entries[address]?.sent += 1
        entries[address]?.next = now + timing.probeInterval
      case .owned:
        messages.append(.announcement(address))
        entries[address]?.sent = min(entry.sent + 1, timing.announceCount)
        entries[address]?.next =
          now + (entry.sent + 1 < timing.announceCount ? timing.announceInterval : timing.announceRefresh)
      case .contested:
        entries[address]?.next = .max
      }
    }
    return (messages, changes)
  }

  var listing: [VIPStatus] {
    entries.sorted { $0.key < $1.key }.map { address, entry in
      VIPStatus(address: address, state: entry.state, otherOwner: entry.otherOwner)
    }
  }
}
