/// Milliseconds of a clock that only goes forward.
public typealias Moment = UInt64

/// What health checks leave of a server's weight.
public enum Standing: Hashable, Sendable {
  /// All of it.
  case full
  /// So many percent, after it came back.
  case growing(UInt8)
  /// Nothing: the server is down. Connections that it has go on.
  case quiesced
  /// Nothing: the server is down and is taken out of the service.
  case removed

  /// Whether it leaves nothing.
  var isOut: Bool { self == .quiesced || self == .removed }
}

/// What the health of all servers makes of their service.
public enum FarmState: String, Hashable, Sendable, Codable, CaseIterable {
  /// Those that are down are not used.
  case normal
  /// So few are healthy that rather the checks are doubted: all are used as if they were up.
  case panic
  /// No server is left: the fallback servers are used, where there are any.
  case empty

  /// - Parameters:
  ///   - servers: of each that has a weight, is not drained and not leaving, its health.
  ///   - panic: below so many healthy ones there is panic; 0 is never.
  public init(_ servers: some Sequence<Health>, panic: Percent) {
    var (all, healthy) = (0, 0)
    for health in servers {
      all += 1
      if health != .down { healthy += 1 }
    }
    if all > 0, healthy * 100 < Int(panic.value) * all {
      self = .panic
    } else {
      self = healthy == 0 ? .empty : .normal
    }
  }
}

/// What is known of a server by all its checks.
public struct ServerHealth: Hashable, Sendable {
  /// The worst that a check says.
  public var health: Health
  /// What follows while it is down.
  public var consequence: HealthCheck.Consequence
  /// When it came back; nil where it never was down.
  public var risen: Moment?

  public init(_ health: Health = .unknown, _ consequence: HealthCheck.Consequence = .quiesce, risen: Moment? = nil) {
    (self.health, self.consequence, self.risen) = (health, consequence, risen)
  }
}

/// The servers of a service as their health makes them: a pure function of what is wanted and what is known.
public struct Farm: Hashable, Sendable {
  public private(set) var state: FarmState
  /// Of those that are not `full`.
  public private(set) var standings: [Endpoint: Standing] = [:]
  /// Those at whose address nobody answers, as long as another server is there.
  public private(set) var unreachable: Set<Endpoint> = []
  /// When a weight grows next; nil where none does.
  public private(set) var due: Moment?
  /// What weights are multiplied by while one of them grows, so that a weight of 1 has steps to grow in.
  public private(set) var scale: Int32 = 1

  /// Nothing is known of anybody.
  public static let unwatched = Farm(state: .normal)

  private init(state: FarmState) { self.state = state }

  /// - Parameter failed: addresses at which nobody answers.
  public init(
    _ definition: ServiceDefinition, _ known: [Endpoint: ServerHealth], failed: Set<IPAddress> = [], at now: Moment
  ) {
    let wanted = definition.servers.filter { $0.weight.asked > 0 && !$0.weight.isDrained && !$0.weight.isLeaving }
    state = FarmState(wanted.map { known[$0.endpoint]?.health ?? .unknown }, panic: definition.farm.panic)
    if state != .panic {
      for server in definition.servers {
        guard let health = known[server.endpoint] else { continue }
        if let standing = standing(health, definition.farm.slowStart, now) { standings[server.endpoint] = standing }
      }
      if due != nil { scale = Self.scale(definition.servers.map(\.weight.asked)) }
    }
    let used = wanted.filter { standings[$0.endpoint]?.isOut != true }
    if !failed.isEmpty { avoid(failed, definition, used) }
  }

  /// Uses no server at whose address nobody answers, while there is another, be it one that stands in. Where there is
  /// none, all are used as they were: frames for them wait, and one that comes back has them at once.
  private mutating func avoid(_ failed: Set<IPAddress>, _ definition: ServiceDefinition, _ used: [RealServer]) {
    func answers(_ server: RealServer) -> Bool { server.mac != nil || !failed.contains(server.endpoint.address) }
    if !used.contains(where: answers) {
      guard definition.farm.fallback.contains(where: answers) else { return }
      state = .empty
    }
    unreachable = Set(definition.servers.filter { !answers($0) }.map(\.endpoint))
  }

  /// As many as slow start has steps, as far as the largest weight lets it.
  private static func scale(_ weights: [Int32]) -> Int32 {
    min(Int32(SlowStart.steps), max(Weight.range.upperBound / max(weights.max() ?? 1, 1), 1))
  }

  private mutating func standing(_ health: ServerHealth, _ slowStart: Period, _ now: Moment) -> Standing? {
    if health.health == .down { return health.consequence == .remove ? .removed : .quiesced }
    guard let risen = health.risen, slowStart.milliseconds > 0 else { return nil }
    let start = SlowStart(at: risen, over: slowStart)
    guard let next = start.nextStep(after: now) else { return nil }
    due = min(due ?? next, next)
    return .growing(start.percent(at: now))
  }
}
