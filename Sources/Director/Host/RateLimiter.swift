/// A token bucket: how many answers of its own the director may make.
struct RateLimiter {
  /// Tokens are counted in hundredths, so that a tick adds a whole number of them.
  private var tokens: UInt32
  private var filled: UInt32 = 0
  private let perSecond: UInt32
  private let burst: UInt32

  /// As Linux limits ICMP: 1,000 a second (`icmp_msgs_per_sec`), all of which may come at once.
  init(perSecond: UInt32 = 1000, burst: UInt32 = 1000) {
    (self.perSecond, self.burst) = (perSecond, burst)
    tokens = burst * ticksPerSecond
  }

  /// Takes one token if there is one.
  mutating func allow(_ now: UInt32) -> Bool {
    let elapsed = min(now &- filled, burst * ticksPerSecond)
    filled = now
    tokens = min(tokens + elapsed * perSecond, burst * ticksPerSecond)
    guard tokens >= ticksPerSecond else { return false }
    tokens -= ticksPerSecond
    return true
  }
}
