/// Whoever watches servers by checks.
public protocol HealthWatch: Sendable {
  /// Whether it can ask for a VIP at one server (`via: vip`).
  var asksByVIP: Bool { get }

  /// What must hold of a check beyond its own validation: patterns and authorities that can be read.
  func validate(_ check: HealthCheck) async throws(PlaneError)

  /// Watches these and no others. What is watched already by the same check goes on, with what is known of it.
  func watch(_ targets: [CheckTarget])

  /// What is known of each target, in the order of services and servers.
  func status() async -> [TargetStatus]

  /// Watches no more, and leaves nothing behind on the host.
  func stop() async
}

/// What is known of a server.
public enum Health: String, Hashable, Sendable, Codable, CaseIterable {
  /// Not enough is known yet; it is used as if it were up.
  case unknown
  case up
  case down
}

/// What is known of a server by one check.
public struct TargetStatus: Hashable, Sendable {
  public let target: CheckTarget
  public let health: Health
  /// How long it has been so, in milliseconds.
  public let age: UInt64
  /// It answers well, and is held down since it went down too often.
  public let isDamped: Bool
  /// The last attempt; nil before the first has ended.
  public let last: AttemptResult?
  public let counts: AttemptCounts

  public init(
    _ target: CheckTarget, _ health: Health, age: UInt64 = 0, isDamped: Bool = false, last: AttemptResult? = nil,
    counts: AttemptCounts = AttemptCounts()
  ) {
    (self.target, self.health, self.age, self.isDamped) = (target, health, age, isDamped)
    (self.last, self.counts) = (last, counts)
  }

  public var name: CheckTarget.Name { target.name }
}

/// What a watch has to tell.
public enum HealthReport: Hashable, Sendable {
  /// A server's health is another one now.
  case changed(TargetStatus)
  /// A server could not be asked twice in a row; told once, until it can again or it is for something else.
  case unclear(CheckTarget.Name, String)
  /// A look for servers of a service came to something else than the one before.
  case discovered(DiscoveryTarget, DiscoveryOutcome)
  /// Something else that is not as it should be.
  case warning(String)
}
