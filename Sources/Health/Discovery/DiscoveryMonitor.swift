import LVS

/// Looks for the servers of services and tells what it finds.
///
/// All calls return at once; the work is done on a thread of the monitor's own.
public final class DiscoveryMonitor: DiscoveryWatch {
  enum Message: Sendable {
    case watch([DiscoveryTarget])
    /// Ends the thread; called when it has let go of all that it had.
    case stop(@Sendable () -> Void)
  }

  private let mailbox: Mailbox<Message>

  /// Starts to look for nothing.
  ///
  /// - Parameter report: called on the monitor's thread, which waits for it: it must be quick.
  public init(report: @escaping @Sendable (HealthReport) -> Void) throws(PlaneError) {
    do throws(CallFailure) {
      // It is the thread's, but that something may fail is to be said here.
      let poller = try Poller()
      let mailbox = Mailbox<Message>(poller.ringer)
      self.mailbox = mailbox
      try startThread(name: "lbd-discovery") { DiscoveryLoop(poller, report: report).run(mailbox.take) }
    } catch {
      throw .unavailable("discovery: \(error)")
    }
  }

  deinit { mailbox.post(.stop {}) }

  public func stop() async {
    await withCheckedContinuation { continuation in mailbox.post(.stop { continuation.resume() }) }
  }

  public func watch(_ targets: [DiscoveryTarget]) { mailbox.post(.watch(targets)) }
}
