import LVS

/// What the attempts of one check say of one server: up or down, by how many in a row said so.
///
/// It asks no clock and knows no weight: results and their time go in, the server's health comes out.
public struct CheckState: Hashable, Sendable {
  /// The rules by which results make a state.
  public struct Rules: Hashable, Sendable {
    public var rise: UInt16
    public var fall: UInt16
    public var damping: FlapDamping.Rules

    public init(rise: UInt16, fall: UInt16, damping: FlapDamping.Rules) {
      (self.rise, self.fall, self.damping) = (rise, fall, damping)
    }

    public init(_ check: HealthCheck) {
      self.init(rise: check.rise, fall: check.fall, damping: .init(check))
    }
  }

  public private(set) var health: Health = .unknown
  /// Since when the health is what it is.
  public private(set) var since: Moment
  /// How many results in a row spoke against the health.
  private var streak: UInt16 = 0
  private var damping: FlapDamping

  public init(at now: Moment) {
    since = now
    damping = FlapDamping(at: now)
  }

  /// Takes the result of an attempt; whether the health changed by it.
  ///
  /// A server of unknown health is up with its first good result, so that a director that starts loses no time.
  public mutating func record(_ isGood: Bool, at now: Moment, by rules: Rules) -> Bool {
    guard health == .unknown || isGood != (health == .up) else {
      streak = 0
      return false
    }
    let needed = isGood ? (health == .unknown ? 1 : rules.rise) : rules.fall
    streak = min(streak + 1, needed)
    guard streak == needed else { return false }
    if isGood, damping.holds(at: now, by: rules.damping) { return false }
    if !isGood { damping.fell(at: now, by: rules.damping) }
    (health, since, streak) = (isGood ? .up : .down, now, 0)
    return true
  }

  /// Whether one result more may change the health, so that the next attempt should come soon.
  public func isUncertain(by rules: Rules) -> Bool {
    switch health {
    case .unknown: true
    case .up: streak > 0
    case .down: streak > 0 && streak < rules.rise
    }
  }

  /// Whether the server answers well and is held down only since it went down too often.
  public func isDamped(by rules: Rules) -> Bool { health == .down && streak >= rules.rise }
}
