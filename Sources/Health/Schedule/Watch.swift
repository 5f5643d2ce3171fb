import LVS

/// A target under watch: its state, the attempts that are under way, and when the next is due.
final class Watch {
  let target: CheckTarget
  let rules: CheckState.Rules
  /// What HTTP needs, or why it cannot be had.
  let http: Result<HTTPClient.Preparation, CallTrouble>?
  var state: CheckState
  /// From the oldest to the newest.
  private(set) var attempts: [Attempt] = []
  private(set) var last: AttemptResult?
  private(set) var counts = AttemptCounts()
  /// When the last datagram was refused by an ICMP error.
  private var refused: Moment?
  /// When the newest attempt was to begin, and the next one is.
  private var begun: Moment?
  private(set) var due: Moment
  /// Which of the timers that were set for it still holds.
  private(set) var timer: UInt64 = 0

  /// What cannot be done however often it is tried.
  struct CallTrouble: Error, Hashable {
    let words: String
  }

  /// So many attempts of one target are under way at once at most: with a timeout above the interval the next begins
  /// before the last is over, so that a dead server is known in time.
  private static let limit = 4
  /// How long a refused datagram is remembered, in milliseconds.
  private static let refusalTime: Moment = 3000

  init(_ target: CheckTarget, at now: Moment) {
    self.target = target
    rules = CheckState.Rules(target.check)
    state = CheckState(at: now)
    http = Self.prepare(target.check)
    // All that come at once are spread over one interval.
    due = now + UInt64.random(in: 0..<UInt64(max(target.check.interval.milliseconds, 1)))
  }

  private static func prepare(_ check: HealthCheck) -> Result<HTTPClient.Preparation, CallTrouble>? {
    do {
      switch check.kind {
      case .http(let question): return .success(try HTTPClient.prepare(question, nil))
      case .https(let question, let demand): return .success(try HTTPClient.prepare(question, demand))
      case .tcp, .udp, .dns, .icmp, .exec: return nil
      }
    } catch {
      return .failure(CallTrouble(words: "\(error)"))
    }
  }

  /// Commands are not run twice at once.
  var isFull: Bool { attempts.count >= (target.check.kind.name == .exec ? 1 : Self.limit) }

  /// Notes an attempt that begins, and when the one after it is due: on the beat, not from now on, so that a late
  /// thread makes no longer interval.
  func begin(_ attempt: Attempt, at now: Moment) {
    attempts.append(attempt)
    begun = max(due, now - min(now, UInt64(target.check.interval.milliseconds)))
    schedule()
  }

  /// The next attempt is due once this long after the last began; sooner while it is not certain what the server is.
  func schedule() {
    guard let begun else { return }
    let check = target.check
    let interval = state.isUncertain(by: rules) ? check.fastInterval ?? check.interval : check.interval
    let cut = UInt64(interval.milliseconds) * UInt64(check.jitter) / 100
    due = begun + UInt64(interval.milliseconds) - UInt64.random(in: 0...cut)
    timer += 1
  }

  /// Waits for one of the attempts under way to end.
  func postpone(to moment: Moment) {
    due = moment
    timer += 1
  }

  /// Takes the result of an attempt, with whose begin all older ones are overtaken.
  ///
  /// - Returns: the attempts that are to be ended, and whether the health changed.
  func take(_ outcome: Outcome, of attempt: Attempt, at now: Moment, latency: UInt64) -> (
    overtaken: [Attempt], changed: Bool
  ) {
    guard let place = attempts.firstIndex(where: { $0 === attempt }) else { return ([], false) }
    let outcome = judged(outcome, at: now)
    last = AttemptResult(outcome, latency: latency)
    counts.add(outcome)
    if case .unclear = outcome {
      attempts.remove(at: place)
      return ([], false)
    }
    let overtaken = Array(attempts[..<place])
    attempts.removeSubrange(...place)
    return (overtaken, state.record(outcome.isGood, at: now, by: rules))
  }

  /// A server that refuses datagrams says so once a second at most (icmp_ratelimit), all its ports together: silence soon
  /// after an error means nothing.
  private func judged(_ outcome: Outcome, at now: Moment) -> Outcome {
    guard case .udp(let dialogue) = target.check.kind, dialogue.expect == nil else { return outcome }
    if case .bad = outcome { refused = now }
    guard outcome.isGood, let refused, now < refused + Self.refusalTime else { return outcome }
    return .unclear("silent, and refused a moment ago")
  }

  /// All attempts under way, which are nobody's from now on.
  func abandon() -> [Attempt] {
    defer { attempts = [] }
    return attempts
  }
}

/// One attempt under way: at a socket, by HTTP over a connection, or a command.
final class Attempt {
  enum Means {
    case socket(SocketAttempt)
    case http(HTTPExchange)
    case command(Command)
  }

  let id: UInt64
  let watch: Watch
  /// In nanoseconds.
  let begun: UInt64
  var means: Means?

  init(id: UInt64, watch: Watch, begun: UInt64) {
    (self.id, self.watch, self.begun) = (id, watch, begun)
  }
}
