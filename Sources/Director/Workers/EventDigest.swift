import LVS
import Synchronization

/// Lets an event be told once, and after a while how often it came again: a flood on the wire must not become one in
/// the log.
final class EventDigest: Sendable {
  /// How long an event that was told is only counted, in milliseconds.
  static let quiet: UInt64 = 10_000
  /// Different events within that time; more are not told.
  static let capacity = 256

  private struct Told {
    var until: UInt64
    var repetitions = 0
  }

  private let told = Mutex<[DirectorEvent: Told]>([:])
  private let tell: @Sendable (DirectorEvent) -> Void

  init(_ tell: @escaping @Sendable (DirectorEvent) -> Void) {
    self.tell = tell
  }

  func report(_ event: DirectorEvent) { report(event, now: Clock.milliseconds) }

  func report(_ event: DirectorEvent, now: UInt64) {
    let isNew = told.withLock { told in
      if told[event] != nil {
        told[event]?.repetitions += 1
        return false
      }
      guard told.count < Self.capacity else { return false }
      told[event] = Told(until: now + Self.quiet)
      return true
    }
    if isNew { tell(event) }
  }

  /// Tells how often events came again. To be called about once a second.
  func tick(_ now: UInt64) {
    let repeated = told.withLock { told in
      let due = told.filter { $0.value.until <= now }
      for (event, entry) in due {
        told[event] = entry.repetitions > 0 ? Told(until: now + Self.quiet) : nil
      }
      return due.filter { $0.value.repetitions > 0 }
    }
    for (event, entry) in repeated { tell(.repeated(event, times: entry.repetitions)) }
  }
}
