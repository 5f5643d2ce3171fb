import LVS

/// Which fragments belong together.
struct FragmentKey: BitwiseCopyable, Equatable {
  var high: UInt64
  var low: UInt64
  var id: UInt32
  var vip: UInt16
  var transport: UInt8

  /// With IPv6 the header before the first fragment's says what the transport is, and the others need not agree.
  init(_ packet: Packet, vip: UInt16, id: UInt32) {
    (high, low) = (packet.source.high, packet.source.low)
    (self.id, self.vip, transport) = (id, vip, packet.family == .v4 ? packet.transport : 0)
  }
}

/// Where the later fragments of a datagram go: to the server of the first. One that comes before the first waits.
///
/// All is bounded: datagrams by the table, in which the oldest of a set gives way; those that wait by number, bytes
/// and time. Nothing is put together here: that is the real server's. The memory for datagrams is taken as they come, and
/// given back when none has come for so long that all are forgotten.
struct FragmentTable: ~Copyable {
  /// How long later fragments are expected (Linux's `ipfrag_time`), and how long an early one waits.
  static let lifetime = 30 * ticksPerSecond
  static let patience = 3 * ticksPerSecond
  static let maximumWaiting = 256
  static let maximumBytes = 1 << 20

  /// Of so many connections that there is room for, one may be a datagram in pieces, within bounds.
  private static let connectionsPerDatagram = 64
  private static let datagrams = 1 << 11...1 << 16
  private static let ways = 4
  /// The first fragment was not forwarded; the others share its fate.
  private static let refused = ServerNumber(rawValue: .max)
  /// Fragments overlapped: none goes on, those yet to come included (RFC 5722).
  private static let overlapped = ServerNumber(rawValue: .max - 1)

  struct Waiting {
    var key: FragmentKey
    var frame: KeptFrame
    var until: UInt32
  }

  private let entries: PagedBuffer<FragmentEntry>
  private let sets: Int
  /// When the last first fragment came; nil where no datagram is remembered.
  private var latest: UInt32?
  private let seed: UInt64
  private var waiting: [Waiting] = []
  private var bytes = 0
  /// Frames whose first fragment has come, to be processed anew.
  private(set) var ready: [KeptFrame] = []

  /// - Parameter connections: how many there is room for.
  init(connections: Int, seed: UInt64) throws(SystemError) {
    self.seed = seed | 1
    let wanted = connections / Self.connectionsPerDatagram
    let datagrams = min(max(wanted, Self.datagrams.lowerBound), Self.datagrams.upperBound)
    // A power of two, which the sets are chosen by.
    sets = 1 << (Int.bitWidth - 1 - (datagrams / Self.ways).leadingZeroBitCount)
    entries = try PagedBuffer(count: sets * Self.ways)
  }

  /// Datagrams that can be remembered.
  var capacity: Int { entries.count }

  private func set(_ key: FragmentKey) -> Range<Int> {
    let mixed = (key.low ^ key.high ^ UInt64(key.id) << 20 ^ UInt64(key.vip)).multipliedFullWidth(by: seed)
    let first = Int((mixed.low ^ mixed.high) & UInt64(sets - 1)) * Self.ways
    return first..<first + Self.ways
  }

  /// Frames that wait for their first fragment.
  var waitingCount: Int { waiting.count }

  /// What is to become of a fragment by what is known of its datagram.
  enum Fate: Equatable {
    case server(ServerNumber)
    case refused
    case duplicate
    case overlaps
    case unknown
  }

  /// Takes note that a fragment passes, where it does. A datagram that is whole is forgotten, since its number may come
  /// again soon.
  func fate(_ key: FragmentKey, _ piece: FragmentPiece, _ now: UInt32) -> Fate {
    guard let place = set(key).first(where: { entries[$0].isUsed && entries[$0].key == key }),
      !TimerWheel.reached(entries[place].expires, by: now)
    else { return .unknown }
    switch entries[place].server {
    case Self.refused: return .refused
    case Self.overlapped: return .overlaps
    case let server:
      // So long after its first one, another begins a new datagram: its sender's numbers have gone round.
      let began = entries[place].expires &- Self.lifetime
      guard piece.start != 0 || now &- began < Self.patience else { return .unknown }
      switch entries[place].passed.add(piece) {
      case .new: entries[place].isUsed = !entries[place].passed.isWhole
      case .duplicate: return .duplicate
      case .overlap:
        entries[place].server = Self.overlapped
        return .overlaps
      }
      return .server(server)
    }
  }

  /// The first fragment has been decided: nil is a refusal. What waited for it becomes ready.
  mutating func decide(_ key: FragmentKey, _ piece: FragmentPiece, _ server: ServerNumber?, _ now: UInt32) {
    latest = now
    let places = set(key)
    let place =
      places.first { entries[$0].isUsed && entries[$0].key == key } ?? places.first { !entries[$0].isUsed }
      ?? places.min { Int32(bitPattern: entries[$0].expires &- now) < Int32(bitPattern: entries[$1].expires &- now) }
    guard let place else { return }
    entries[place] = FragmentEntry(
      key: key, server: server ?? Self.refused, expires: now &+ Self.lifetime, isUsed: true)
    _ = entries[place].passed.add(piece)
    guard !waiting.isEmpty else { return }
    ready += waiting.filter { $0.key == key }.map(\.frame)
    discard { $0.key == key }
  }

  /// Keeps a frame until its first fragment comes; whether there was room.
  mutating func wait(_ key: FragmentKey, _ frame: KeptFrame, _ now: UInt32) -> Bool {
    guard waiting.count < Self.maximumWaiting, bytes + frame.bytes.count <= Self.maximumBytes else { return false }
    waiting.append(Waiting(key: key, frame: frame, until: now &+ Self.patience))
    bytes += frame.bytes.count
    return true
  }

  /// Gives up what waited too long; how many frames that was.
  mutating func expire(_ now: UInt32) -> Int {
    guard !waiting.isEmpty else { return 0 }
    let before = waiting.count
    discard { TimerWheel.reached($0.until, by: now) }
    return before - waiting.count
  }

  /// Gives the memory for datagrams back where all are forgotten. To be called about once a second.
  mutating func shrink(_ now: UInt32) {
    guard let latest, TimerWheel.reached(latest &+ Self.lifetime, by: now) else { return }
    entries.discard()
    self.latest = nil
  }

  /// Hands out the frames that are ready.
  mutating func takeReady() -> [KeptFrame] {
    defer { ready = [] }
    return ready
  }

  private mutating func discard(_ isDone: (Waiting) -> Bool) {
    waiting.removeAll(where: isDone)
    bytes = waiting.reduce(0) { $0 + $1.frame.bytes.count }
  }
}

/// A datagram of which the first fragment has been decided.
struct FragmentEntry: BitwiseCopyable {
  var key = FragmentKey()
  var server: ServerNumber = 0
  var expires: UInt32 = 0
  var isUsed = false
  var passed = PassedRuns()
}

extension FragmentKey {
  init() {
    (high, low, id, vip, transport) = (0, 0, 0, 0, 0)
  }
}
