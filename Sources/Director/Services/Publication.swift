import Synchronization

/// Where the control side leaves what is in force, and all workers see it.
///
/// One store of the moment puts a whole configuration in force. What belongs to it lies ready by then: the snapshot
/// here, and beside each service that changes its next list of servers (`ServiceState.pending`). Whoever schedules a
/// connection looks at the moment first, so from the store on all connections are scheduled by the new configuration,
/// whichever worker has them and whichever service they are for.
final class Publication: Sendable {
  private let latest = Mutex(Snapshot.nothing)
  private let published = Atomic<UInt64>(0)
  private let removals = Atomic<UInt64>(0)

  /// The moment of what is in force.
  var moment: UInt64 { published.load(ordering: .acquiring) }

  var snapshot: Snapshot { latest.withLock { $0 } }

  /// How often servers were removed whose connections are to end with them.
  var flushes: UInt64 { removals.load(ordering: .acquiring) }

  /// To be called by the control side alone, once all that belongs to the snapshot's moment lies ready, and not again
  /// before all workers have taken it over.
  func publish(_ snapshot: Snapshot) {
    latest.withLock { $0 = snapshot }
    published.store(snapshot.moment, ordering: .releasing)
  }

  /// Has workers look for connections of servers that are gone.
  func flush() { removals.wrappingAdd(1, ordering: .releasing) }
}
