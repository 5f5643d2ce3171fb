import LVS
import Serial

/// Watches servers and tells when their health changes.
///
/// All calls return at once; the work is done on a thread of the monitor's own.
public final class HealthMonitor: HealthWatch {
  public struct Options: Sendable {
    /// nil: there is no `via: vip`.
    public var directPath: DirectPathOptions?
    /// What runs commands; nil: there are none.
    public var broker: CommandBroker?

    public init(directPath: DirectPathOptions? = nil, broker: CommandBroker? = nil) {
      (self.directPath, self.broker) = (directPath, broker)
    }
  }

  enum Message: Sendable {
    case watch([CheckTarget])
    case outcome(UInt64, Outcome)
    case status(@Sendable ([TargetStatus]) -> Void)
    /// Ends the thread; called when it has let go of all that it had.
    case stop(@Sendable () -> Void)
  }

  private let mailbox: Mailbox<Message>
  public let asksByVIP: Bool
  private let runsCommands: Bool

  /// Starts to watch nothing.
  ///
  /// - Parameter report: called on the monitor's thread, which waits for it: it must be quick.
  public init(_ options: Options = .init(), report: @escaping @Sendable (HealthReport) -> Void) throws(PlaneError) {
    do throws(CallFailure) {
      // It is the thread's, but that something may fail is to be said here.
      let poller = try Poller()
      let mailbox = Mailbox<Message>(poller.ringer)
      self.mailbox = mailbox
      (asksByVIP, runsCommands) = (options.directPath != nil, options.broker != nil)
      try startThread(name: "lbd-health") {
        CheckLoop(poller, options, report: report, post: mailbox.post).run(mailbox.take)
      }
    } catch {
      throw .unavailable("health checks: \(error)")
    }
  }

  deinit { mailbox.post(.stop {}) }

  public func stop() async {
    await withCheckedContinuation { continuation in mailbox.post(.stop { continuation.resume() }) }
  }

  /// Not on the monitor's thread, which a slow disk would hold up, and not on one that tasks share.
  public func validate(_ check: HealthCheck) async throws(PlaneError) {
    guard runsCommands || check.kind.name != .exec else {
      throw .notSupported("this lbd runs no commands: it does where its user alone may use its socket")
    }
    try await Self.validate(check)
  }

  /// The same, of whatever lbd: patterns and authorities that can be read.
  @Waiting public static func validate(_ check: HealthCheck) throws(PlaneError) {
    do {
      switch check.kind {
      case .http(let question): _ = try HTTPClient.prepare(question, nil)
      case .https(let question, let demand): _ = try HTTPClient.prepare(question, demand)
      case .tcp, .udp, .dns, .icmp, .exec: break
      }
    } catch {
      throw .invalid("\(error)")
    }
  }

  public func watch(_ targets: [CheckTarget]) { mailbox.post(.watch(targets)) }

  public func status() async -> [TargetStatus] {
    await withCheckedContinuation { continuation in
      mailbox.post(.status { continuation.resume(returning: $0) })
    }
  }
}

extension Watch {
  func status(at now: Moment) -> TargetStatus {
    TargetStatus(
      target, state.health, age: now - min(now, state.since), isDamped: state.isDamped(by: rules), last: last,
      counts: counts)
  }
}
