import Glibc
import LVS

/// Holds a server down that goes up and down all the time, as RFC 2439 does with routes.
///
/// Each fall adds one to a penalty that halves in each half-life. A server whose penalty reached the limit stays down
/// until it is below half of it. The penalty is at most twice the limit, so that takes two half-lives at most.
public struct FlapDamping: Hashable, Sendable {
  public struct Rules: Hashable, Sendable {
    /// 0: nothing is held.
    public var limit: UInt16
    /// In milliseconds.
    public var halfLife: Moment

    public init(limit: UInt16, halfLife: Moment) { (self.limit, self.halfLife) = (limit, halfLife) }

    /// How many intervals a half-life has: what flaps is judged by how often it is looked at.
    static let intervals: Moment = 20

    init(_ check: HealthCheck) {
      self.init(limit: check.flapLimit, halfLife: Moment(check.interval.milliseconds) * Self.intervals)
    }
  }

  private var penalty = 0.0
  private var asOf: Moment
  private var isHolding = false

  init(at now: Moment) { asOf = now }

  mutating func fell(at now: Moment, by rules: Rules) {
    let limit = Double(rules.limit)
    decay(to: now, by: rules)
    penalty = min(penalty + 1, 2 * limit)
    if limit > 0, penalty >= limit { isHolding = true }
  }

  /// Whether a server that is down has to stay so.
  mutating func holds(at now: Moment, by rules: Rules) -> Bool {
    decay(to: now, by: rules)
    if penalty < Double(rules.limit) / 2 || rules.limit == 0 { isHolding = false }
    return isHolding
  }

  private mutating func decay(to now: Moment, by rules: Rules) {
    let halves = Double(now - min(asOf, now)) / Double(max(rules.halfLife, 1))
    penalty *= exp2(-halves)
    asOf = max(asOf, now)
  }
}
