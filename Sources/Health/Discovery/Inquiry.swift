import LVS

/// A discovery at work: what it has under way, and when something is due.
final class Inquiry {
  /// A resolver that is asked, and how.
  struct Trial {
    let resolver: Endpoint
    var isStream = false
  }

  let target: DiscoveryTarget
  /// When to look next, or when the time of the trial under way is over.
  var due: Moment
  /// Which of the timers that were set for it still holds.
  var timer: UInt64 = 0
  var lookup: NameLookup?
  var begun: Moment = 0
  /// Those that are left for the question.
  var trials: [Trial] = []
  /// The number of the trial under way.
  var number: UInt64?
  var attempt: SocketAttempt?
  var exchange: NameExchange?
  /// What became of the last trial, in words.
  var words = ""
  /// The folder in which its file is, where that is watched.
  var folder: Int32?
  /// When the file was read.
  var read: Moment = 0
  /// What was told last.
  var told: DiscoveryOutcome?

  init(_ target: DiscoveryTarget, at now: Moment) { (self.target, due) = (target, now) }

  /// Lets go of the trial under way.
  func endTrial() { (number, attempt, exchange) = (nil, nil, nil) }
}
