/// How busy the calling thread was of late.
struct LoadMeter {
  private static let period: UInt64 = 1_000_000_000
  private var since = Clock.nanoseconds
  private var used = Clock.threadNanoseconds

  /// Whether a second has passed.
  var isDue: Bool { Clock.nanoseconds - since >= Self.period }

  /// Thousandths of the time since the last call that the thread ran.
  mutating func measure() -> UInt32 {
    let (now, worked) = (Clock.nanoseconds, Clock.threadNanoseconds)
    defer { (since, used) = (now, worked) }
    // The first reading may be of another thread, the one that made the meter.
    return UInt32(clamping: (worked - min(used, worked)) * 1_000 / max(now - since, 1))
  }
}
