import LVS

/// Measures one scheduler: how long a pick takes, and how evenly the weights are met.
///
/// Server i has the weight 1 + i mod 10. Clients' addresses are random, destinations are 256 addresses in turn (for
/// `dh`, `lblc` and `lblcr`; a set of `lblcr` costs as much as it has members). Eight connections for each unit of
/// weight are open at a time, one for `ovf`, which takes little more: each new one takes the place of a random old
/// one, which closes.
public struct SchedulerBench: Sendable {
  public var scheduler: SchedulerName
  /// 1 or more.
  public var servers: Int
  /// At most so many picks, once with the load changes that they bring and once without…
  public var picks: Int
  /// …and each time, within 1,024 of them, no longer than this.
  public var timeLimit: Duration
  /// The slots of `mh`: 65,521, so that a thousand servers of ten weights get their share.
  public var mhTableSize: Int

  public init(
    scheduler: SchedulerName, servers: Int, picks: Int = 1 << 20, timeLimit: Duration = .seconds(2),
    mhTableSize: Int = 65_521
  ) {
    precondition(servers > 0 && picks > 0)
    self.scheduler = scheduler
    self.servers = servers
    self.picks = picks
    self.timeLimit = timeLimit
    self.mhTableSize = mhTableSize
  }

  public struct Result: Codable, Sendable {
    public var name: String
    public var servers: Int
    public var picks: Int
    public var picksPerSecond: Double
    /// Seconds of a pick alone, at the loads that the run left.
    public var secondsPerPick: Double
    /// Seconds of a pick, and telling the scheduler of one connection that opened and one that closed.
    public var secondsPerConnection: Double
    /// The largest relative deviation of a server's picks from its share: its weight's for `wrr wlc sed nq sh mh twos`,
    /// an equal one for `rr` and `lc`. 0 is even, 1 is a server with none or with twice its share. nil for `fo`, `ovf`,
    /// `dh`, `lblc` and `lblcr`, which have other aims than shares.
    public var evenness: Double?
    /// Seconds of filling `mh`'s table, the shortest of three times; nil for the others.
    public var mhBuildSeconds: Double?
    /// How many of the other servers' clients `mh` moves when one server goes: 0 is none, 1 all. nil for the others.
    public var mhDisruption: Double?

    enum CodingKeys: String, CodingKey {
      case name, servers, picks
      case picksPerSecond = "picks_per_second"
      case secondsPerPick = "seconds_per_pick"
      case secondsPerConnection = "seconds_per_connection"
      case evenness
      case mhBuildSeconds = "mh_build_seconds"
      case mhDisruption = "mh_disruption"
    }
  }

  /// nil for an unknown scheduler.
  public func run() -> Result? {
    guard let chooser = makeScheduler(scheduler, flags: [], mhTableSize: mhTableSize, seed: 1) else { return nil }
    chooser.bind(list())
    let counts = Buffer(repeating: 0, count: servers)
    var connections = OpenConnections(list(), limit: concurrency)
    let (made, perConnection) = timed { number in
      let position = chooser.pick(Self.connection(number), connections.servers)
      if let position { counts[position] += 1 }
      connections.replace(number, by: position, chooser)
    }
    var chosen = 0
    let (_, perPick) = timed { number in
      chosen &+= chooser.pick(Self.connection(number), connections.servers) ?? 0
    }
    withExtendedLifetime(chosen) {}
    return Result(
      name: scheduler.rawValue, servers: servers, picks: made, picksPerSecond: 1e9 / perPick,
      secondsPerPick: perPick / 1e9, secondsPerConnection: perConnection / 1e9,
      evenness: evenness(counts, of: made), mhBuildSeconds: mhBuildSeconds(),
      mhDisruption: mhDisruption())
  }

  /// Does `work` with the numbers from 0 on; returns how often, and the nanoseconds of one time.
  @inline(__always)
  private func timed(_ work: (Int) -> Void) -> (Int, Double) {
    let clock = ContinuousClock()
    let start = clock.now
    var made = 0
    while made < picks && (made == 0 || made % 1024 != 0 || clock.now - start < timeLimit) {
      work(made)
      made += 1
    }
    return (made, (clock.now - start).nanoseconds / Double(made))
  }

  func list() -> ServerList {
    var list = ServerList()
    for index in (0..<servers).reversed() { list.insertFirst(server(index)) }
    return list
  }

  private func server(_ index: Int) -> ServerLoad {
    let weight = weight(of: index)
    return ServerLoad(
      id: ServerNumber(index), weight: weight, lastWeight: weight, address: 0x0a00_0001 &+ UInt32(index), port: 80)
  }

  private var concurrency: Int {
    (0..<servers).reduce(0) { $0 + Int(weight(of: $1)) } * (scheduler == .ovf ? 1 : 8)
  }

  private func weight(of index: Int) -> Int32 { 1 + Int32(index % 10) }

  @inline(__always)
  static func connection(_ number: Int) -> NewConnection {
    let client = scrambled(UInt32(truncatingIfNeeded: number))
    return NewConnection(
      client: IPAddress(v4: client), clientPort: UInt16(truncatingIfNeeded: client >> 3),
      destination: IPAddress(v4: 0xc633_6400 | UInt32(truncatingIfNeeded: number & 0xff)),
      now: UInt32(truncatingIfNeeded: number >> 10))
  }

  private func evenness(_ counts: borrowing Buffer<Int>, of picks: Int) -> Double? {
    let isEqual: Bool
    switch scheduler {
    case .wrr, .wlc, .sed, .nq, .sh, .mh, .twos: isEqual = false
    case .rr, .lc: isEqual = true
    default: return nil
    }
    let weights = (0..<servers).map { isEqual ? 1 : Double(weight(of: $0)) }
    let perWeight = Double(picks) / weights.reduce(0, +)
    return (0..<servers).map { abs(Double(counts[$0]) / (perWeight * weights[$0]) - 1) }.max()
  }
}

/// The open connections of a run, and the list that counts them.
private struct OpenConnections: ~Copyable {
  private(set) var servers: ServerList
  /// Each one's server, by position; -1 is none.
  private let places: Buffer<Int32>

  init(_ servers: consuming ServerList, limit: Int) {
    self.servers = servers
    places = Buffer(repeating: -1, count: limit)
  }

  /// Closes the connection in a random place and opens number `number` there.
  @inline(__always)
  mutating func replace(_ number: Int, by position: Int?, _ scheduler: any Scheduler) {
    let random = UInt64(scrambled(UInt32(truncatingIfNeeded: number) ^ 0x5bd1_e995))
    let place = Int((random * UInt64(places.count)) >> 32)
    let old = Int(places[place])
    if old >= 0 {
      servers[old].active -= 1
      scheduler.loadChanged(at: old, servers)
    }
    places[place] = Int32(position ?? -1)
    if let position {
      servers[position].active += 1
      scheduler.loadChanged(at: position, servers)
    }
  }
}

/// A number that looks random, another for each other `number` (Stafford's mixing for 32 bits).
@inline(__always)
private func scrambled(_ number: UInt32) -> UInt32 {
  var word = number
  word = (word ^ word >> 16) &* 0x7feb_352d
  word = (word ^ word >> 15) &* 0x846c_a68b
  return word ^ word >> 16
}

extension Duration {
  var nanoseconds: Double {
    Double(components.seconds) * 1e9 + Double(components.attoseconds) / 1e9
  }
}
