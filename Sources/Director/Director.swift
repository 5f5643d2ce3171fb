import CLinux
import LVS

/// One worker's director: takes frames one by one and says what becomes of each.
///
///     parse ─► ours? ─► find connection | schedule ─► count, state ─► rewrite ─► Verdict
///
/// It owns its connections; what new connections must agree on is shared. Nothing here blocks, allocates, throws or
/// asks the time.
struct Director: ~Copyable {
  let shared: SharedTables
  let counters: Counters
  var connections: ConnectionTable
  private(set) var snapshot: Snapshot
  private(set) var table: ServiceTable
  private(set) var settings: Settings
  private(set) var timeouts: StateTimeouts
  var link: Link
  var now: UInt32 = 0
  var limiter = RateLimiter()
  var fragments: FragmentTable
  var random: SplitMix64
  /// New connections until the next one that `drop_packet` takes.
  var untilDropped: UInt32 = 0
  /// Where the search for connections of removed servers is; 0 where it is done.
  var sweeping: UInt32 = 0
  /// The server that a frame was last sent to.
  var lastServer: UInt32 = 0
  /// What Call-IDs are hashed with; the same for all workers.
  let seed: UInt64

  init(shared: SharedTables, counters: Counters, snapshot: Snapshot, connections: Int, seed: UInt64) throws(SystemError) {
    self.shared = shared
    self.counters = counters
    self.connections = try ConnectionTable(capacity: connections, seed: seed)
    self.snapshot = snapshot
    table = snapshot.table()
    settings = snapshot.settings
    timeouts = snapshot.settings.timeouts
    link = snapshot.link
    fragments = FragmentTable(seed: seed)
    random = SplitMix64(seed: seed)
    self.seed = seed
  }

  /// Takes over a new configuration.
  mutating func adopt(_ snapshot: Snapshot) {
    self.snapshot = snapshot
    table = snapshot.table()
    settings = snapshot.settings
    timeouts = snapshot.settings.timeouts
    link = snapshot.link
    if settings.expireNodestConn != 0 { sweeping = 1 }
  }

  /// Sets the time for the frames to come, in hundredths of a second.
  mutating func tick(_ now: UInt32) {
    self.now = now
  }

  /// The pipe: one frame in, one verdict out. `segment` is the size that a super-frame will be cut into, else 0.
  mutating func process(_ frame: Bytes, segment: Int = 0) -> Verdict {
    var packet = Packet()
    if let verdict = packet.parseNetwork(frame) { return verdict }
    guard let vip = table.vip(packet.destination) else { return .pass }
    guard packet.source.isUnicast, !packet.source.isLoopback, packet.source != packet.destination else {
      return .drop(.badSource)
    }
    guard packet.fragment == .none else { return fragment(frame, &packet, vip, segment) }
    if let verdict = packet.parseTransport(frame) { return verdict }
    return decide(frame, packet, vip, segment)
  }

  /// The way of a packet that is whole, or of a first fragment.
  @inline(__always)
  mutating func decide(_ frame: Bytes, _ packet: Packet, _ vip: UInt16, _ segment: Int) -> Verdict {
    switch packet.transport {
    case TCP.number, UDP.number, SCTP.number: return balance(frame, packet, vip, segment)
    case ICMP.number where packet.family == .v4: return control(frame, packet, vip)
    case ICMP.numberV6 where packet.family == .v6: return control(frame, packet, vip)
    default: return reject(frame, packet, .protocolUnreachable, .unclaimedProtocol)
    }
  }
}
