/// When a `DestinationCache` is swept, and how thoroughly: the rules of the kernel's 60-second timer.
///
/// Every 30th minute all entries unused for `expiration` go. In the other minutes, if there are more than 16,384,
/// up to 4/3 of the excess goes (at most 8,192), as far as it was unused for 6 minutes. Minutes in which nobody
/// asked are made up for by one sweep.
struct CacheExpiry: BitwiseCopyable {
  /// Above this many entries the 60-second sweep removes some.
  static let softLimit = 16_384
  /// At this many entries no new one is made.
  static let hardLimit = softLimit * 3 / 2

  private static let interval: UInt32 = 60 * 100
  private static let unusedWhenCrowded: UInt32 = 6 * 60 * 100

  struct Sweep: Equatable {
    /// Only what was not used for this time goes, in hundredths of a second.
    var unusedFor: UInt32
    /// The sweep ends with the bucket in which this many entries are gone.
    var goal: Int
  }

  let expiration: UInt32
  /// The bucket that was swept last.
  var rover = 0
  private var lastSweep: UInt32?
  private var minutes: UInt32 = 0

  init(expiration: UInt32) {
    self.expiration = expiration
  }

  mutating func sweepDue(now: UInt32, entries: Int) -> Sweep? {
    guard let last = lastSweep else {
      lastSweep = now
      return nil
    }
    // A worker's batch may have read the clock a little before another's: such a `now` lies before `last`.
    guard Int32(bitPattern: now &- last) >= Int32(Self.interval) else { return nil }
    minutes += (now &- last) / Self.interval
    lastSweep = now
    if minutes >= 30 {
      minutes = 0
      return Sweep(unusedFor: expiration, goal: .max)
    }
    guard entries > Self.softLimit else { return nil }
    let excess = (entries - Self.softLimit) * 4 / 3
    return Sweep(unusedFor: Self.unusedWhenCrowded, goal: min(max(excess, 1), Self.softLimit / 2))
  }
}
