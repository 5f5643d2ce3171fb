import CLinux
import LVS

/// One worker's director: takes frames one by one and says what becomes of each.
///
///     parse ─► ours? ─► find connection | schedule ─► count, state ─► rewrite ─► Verdict
///
/// It owns its connections; what new connections must agree on is shared. Nothing here blocks, allocates, throws or
/// asks the time.
struct Director: ~Copyable {
  /// The most frames that may be inspected before it is decided upon them.
  static let batch = 64
  /// How far ahead of the decisions records are asked for.
  static let ahead = 8
  /// And the records behind them in their buckets, where those are others'.
  static let shortlyAhead = 4
  /// Records that a worker looks at for expiry after each batch: about 100 µs.
  static let expiryBudget = 512

  let shared: SharedTables
  /// As `shared` has it: each frame asks here.
  let servers: ServerTable
  let counters: Counters
  var connections: ConnectionTable
  /// How many of them there may be for now, of what all workers may have.
  var room = 0
  /// Whether memory may be given back.
  var isShrinking = false
  private(set) var snapshot: Snapshot
  private(set) var table: ServiceTable
  private(set) var settings: Settings
  /// By state, in hundredths of a second.
  private let timeouts = Buffer<UInt32>(repeating: 0, count: ConnectionState.allCases.count)
  var link: Link
  var now: UInt32 = 0
  var limiter = RateLimiter()
  var pathMTULimiter = RateLimiter()
  var fragments: FragmentTable
  var random: SplitMix64
  /// New connections until the next one that `drop_packet` takes.
  var untilDropped: UInt32 = 0
  /// How many places of the table `drop_entry` has yet to look at.
  var dropping: UInt32 = 0
  /// Where the search for connections of removed servers is; 0 where it is done.
  var sweeping: UInt32 = 0
  /// The same for templates, after that.
  var sweepingTemplates: UInt32 = 0
  /// The search that was begun last.
  var flushes: UInt64 = 0
  /// What Call-IDs are hashed with; the same for all workers.
  let seed: UInt64
  let ownership: Ownership
  var offload: FlowOffload?
  var isOffloading = false
  /// One place for each frame of a batch, and one for a frame that comes alone.
  private let inspections = Buffer(repeating: Inspection(), count: Director.batch + 1)

  /// - Parameter table: the worker's connections, where some were found; nil for an empty table of its own.
  init(
    shared: SharedTables, counters: Counters, seed: UInt64, ownership: Ownership = .sole,
    _ table: Parcel<ConnectionTable>? = nil
  ) throws(SystemError) {
    self.shared = shared
    servers = shared.servers
    self.counters = counters
    let connections = try Self.connections(table, capacity: shared.room.total, seed: seed)
    let fragments = try FragmentTable(connections: shared.room.total, seed: seed)
    room = shared.room.take(atLeast: connections.count)
    self.connections = connections
    self.fragments = fragments
    snapshot = shared.publication.snapshot
    self.table = snapshot.table()
    settings = snapshot.settings
    link = snapshot.link
    random = SplitMix64(seed: seed)
    self.seed = seed
    self.ownership = ownership
    adoptTimeouts()
  }

  private static func connections(
    _ table: Parcel<ConnectionTable>?, capacity: Int, seed: UInt64
  ) throws(SystemError) -> ConnectionTable {
    if let found = table?.take() { return found }
    return try ConnectionTable(capacity: capacity, seed: seed)
  }

  private func adoptTimeouts() {
    for state in ConnectionState.allCases { timeouts[Int(state.rawValue)] = settings.timeouts[state] }
  }

  /// How long a connection lives in a state without a packet, in hundredths of a second.
  @inline(__always)
  func timeout(_ state: ConnectionState) -> UInt32 { timeouts[Int(state.rawValue)] }

  /// Takes over the configuration that is in force, where that is another one than before.
  @inline(__always)
  mutating func keepUp() {
    if shared.publication.moment != snapshot.moment { adopt(shared.publication.snapshot) }
  }

  @inline(never)
  private mutating func adopt(_ snapshot: Snapshot) {
    self.snapshot = snapshot
    table = snapshot.table()
    settings = snapshot.settings
    link = snapshot.link
    adoptTimeouts()
    // What memory says counts anew; a rate that was set begins where the last one has come to.
    if settings.dropPacket == 2 { untilDropped = settings.defense.dropsEvery }
  }

  /// Sets the time for the frames to come, in hundredths of a second.
  mutating func tick(_ now: UInt32) {
    self.now = now
  }

  /// The pipe: one frame in, one verdict out.
  mutating func process(_ frame: Bytes, _ metadata: FrameMetadata = FrameMetadata()) -> Verdict {
    inspect(frame, Self.batch, metadata)
    return decide(frame, Self.batch)
  }

  /// The first pass over a batch: parses frame number `place` and asks for the memory that its connection is found by.
  @inline(__always)
  func inspect(_ frame: Bytes, _ place: Int, _ metadata: FrameMetadata) {
    inspections[place] = Inspection(metadata)
    switch inspect(frame, &inspections[place]) {
    case nil:
      if !ownership.isSole, let owner = ownership.foreignOwner(frame, inspections[place].packet) {
        inspections[place].outcome = .foreign(owner: owner)
      }
    case .drop(let reason): inspections[place].outcome = .drop(reason)
    default: inspections[place].outcome = .pass
    }
  }

  /// - Returns: nil, or the verdict that ends the frame's way.
  @inline(__always)
  private func inspect(_ frame: Bytes, _ inspection: inout Inspection) -> Verdict? {
    if let verdict = inspection.packet.parseNetwork(frame) { return verdict }
    guard let vip = table.vip(inspection.packet.destination) else { return .pass }
    let (source, destination) = (inspection.packet.source, inspection.packet.destination)
    guard source.isUnicast, !source.isLoopback, source != destination else { return .drop(.badSource) }
    guard inspection.packet.fragment == .none else {
      inspection.ports = UInt64(vip) << 48
      return nil
    }
    if let verdict = inspection.packet.parseTransport(frame) { return verdict }
    let key = ConnectionKey(inspection.packet, vip)
    inspection.ports = key.ports
    inspection.bucket = connections.bucket(of: key)
    connections.prefetchBucket(inspection.bucket)
    return nil
  }

  /// Between the passes: asks for the records that the first frames of a batch need.
  @inline(__always)
  func prefetch(of count: Int) {
    for place in 0..<min(count, Self.ahead) { connections.prefetchRecord(inspections[place].bucket) }
  }

  /// With each frame of the second pass: asks for what those behind it in the batch need.
  @inline(__always)
  func prefetch(after index: Int, of count: Int) {
    if index &+ Self.ahead < count { connections.prefetchRecord(inspections[index &+ Self.ahead].bucket) }
    guard index &+ Self.shortlyAhead < count else { return }
    let place = index &+ Self.shortlyAhead
    connections.prefetchFollower(inspections[place].key, inspections[place].bucket)
  }

  /// The second pass: what becomes of a frame that was inspected.
  @inline(__always)
  mutating func decide(_ frame: Bytes, _ place: Int) -> Verdict {
    carryOn(frame, place) ?? decideAnew(frame, place)
  }

  /// The way of most packets: whole, of a connection that is known and stays in its state. It only looks at what it
  /// needs of the inspection, and is short, so that the processor sees it at once.
  ///
  /// - Returns: nil where there is more to it; nothing has changed then.
  @inline(__always)
  private mutating func carryOn(_ frame: Bytes, _ place: Int) -> Verdict? {
    guard inspections[place].isWhole else { return nil }
    let (transport, flags) = (inspections[place].packet.transport, inspections[place].packet.tcpFlags)
    guard transport == UDP.number || transport == TCP.number && flags & TCP.syn == 0 else { return nil }
    let number = connections.find(inspections[place].key, in: inspections[place].bucket)
    guard number != 0, !TimerWheel.reached(connections[number].expires, by: now) else { return nil }
    let server = connections[number].server
    let state = ConnectionState(stored: connections[number].state)
    let isSettled =
      transport == UDP.number
      ? connections[number].lane == .settled
      : TCPTransition.next(state, flags: flags, secure: settings.defense.isSecure) == state
    let length = inspections[place].packet.length
    guard isSettled, inspections[place].packet.ttl > 1,
      inspections[place].packet.wireLength(frame) <= servers[server].egress.mtu(link),
      servers[server].isAvailable.load(ordering: .relaxed)
    else { return nil }
    count(number, state, server, length)
    if isOffloading, connections[number].packets % Self.offerInterval == 1 { offer(number) }
    if link.leavesChecksums { PartialChecksum.complete(frame, inspections[place].packet) }
    return send(frame, inspections[place].packet.family, inspections[place].packet.ip, server)
  }

  /// The way of all others.
  @inline(never)
  private mutating func decideAnew(_ frame: Bytes, _ place: Int) -> Verdict {
    switch inspections[place].outcome {
    case .open: break
    case .pass: return .pass
    case .foreign(let owner): return .handOver(to: owner)
    case .drop(let reason): return .drop(reason)
    }
    // What a kernel calls a martian. A connection of such a source cannot be there, for its first packet came this way.
    guard !table.isOwn(inspections[place].packet.source) else { return .drop(.badSource) }
    guard inspections[place].packet.fragment == .none else {
      return fragment(frame, inspections[place].packet, inspections[place].vip)
    }
    return decide(frame, inspections[place].packet, inspections[place].vip)
  }

  /// The way of a packet that is whole, or of a first fragment.
  mutating func decide(_ frame: Bytes, _ packet: Packet, _ vip: UInt16) -> Verdict {
    switch packet.transport {
    case TCP.number, UDP.number, SCTP.number: return balance(frame, packet, vip)
    case ICMP.number where packet.family == .v4: return control(frame, packet, vip)
    case ICMP.numberV6 where packet.family == .v6: return control(frame, packet, vip)
    default: return reject(frame, packet, .protocolUnreachable, .unclaimedProtocol)
    }
  }
}
