import Synchronization

/// What the control side and a worker share beside the configuration: whether it is taken over, questions for the
/// worker, its counters.
final class WorkerMailbox: Sendable {
  private struct Adoption {
    /// What the worker takes as its configuration.
    var moment: UInt64 = 0
    var waiting: [(moment: UInt64, resume: @Sendable () -> Void)] = []
  }

  let bell: Bell
  let counters: Counters
  private let isStopping = Atomic<Bool>(false)
  private let hasMovedServers = Atomic<Bool>(false)
  private let adoption = Mutex(Adoption())
  private let questions = Mutex<[@Sendable (borrowing ConnectionTable, UInt32) -> Void]>([])
  private let synced = Mutex<[SyncedFlows]>([])
  private let isSynced = Atomic<Bool>(false)
  private let settlements = Mutex<[@Sendable () -> Void]>([])
  private let isAwaited = Atomic<Bool>(false)

  init(_ counters: Counters) throws(SystemError) {
    bell = try Bell()
    self.counters = counters
  }

  var hasToStop: Bool { isStopping.load(ordering: .relaxed) }

  /// Calls `resume` once the worker goes by the configuration of this moment, or is stopped.
  func adopted(_ moment: UInt64, then resume: @escaping @Sendable () -> Void) {
    let isAwaited = adoption.withLock { adoption in
      guard adoption.moment < moment, !hasToStop else { return false }
      adoption.waiting.append((moment, resume))
      return true
    }
    if isAwaited { bell.ring() } else { resume() }
  }

  /// The worker goes by this moment's configuration now; `max`: it will never ask again.
  func acknowledge(_ moment: UInt64) {
    let due = adoption.withLock { adoption in
      adoption.moment = moment
      defer { adoption.waiting.removeAll { $0.moment <= moment } }
      return adoption.waiting.filter { $0.moment <= moment }
    }
    for (_, resume) in due { resume() }
  }

  /// Has the worker run `question` with its connections, between two batches.
  func ask(_ question: @escaping @Sendable (borrowing ConnectionTable, UInt32) -> Void) {
    questions.withLock { $0.append(question) }
    bell.ring()
  }

  func takeQuestions() -> [@Sendable (borrowing ConnectionTable, UInt32) -> Void] {
    questions.withLock { questions in
      defer { questions = [] }
      return questions
    }
  }

  /// Records of other directors' that may wait: some 14 MB of them, and what the worker enters in a second.
  private static let mostSynced = 1 << 16

  /// Has the worker enter what another director told; whether there was room for it to wait.
  func take(_ flows: SyncedFlows) -> Bool {
    let isTaken = synced.withLock { synced in
      guard synced.reduce(flows.records.count, { $0 + $1.records.count }) <= Self.mostSynced else { return false }
      synced.append(flows)
      isSynced.store(true, ordering: .relaxed)
      return true
    }
    if isTaken { bell.ring() }
    return isTaken
  }

  /// All of that which waits.
  func takeSynced() -> ArraySlice<SyncedFlows> {
    guard isSynced.load(ordering: .relaxed) else { return [] }
    return synced.withLock { synced in
      isSynced.store(false, ordering: .relaxed)
      defer { synced = [] }
      return synced[...]
    }
  }

  /// Has the worker count all that the kernel forwarded for it up to now, then calls `resume`.
  func settle(then resume: @escaping @Sendable () -> Void) {
    let isTaken = settlements.withLock { settlements in
      guard !hasToStop else { return false }
      settlements.append(resume)
      isAwaited.store(true, ordering: .relaxed)
      return true
    }
    if isTaken { bell.ring() } else { resume() }
  }

  /// Whether somebody waits for that.
  var hasToSettle: Bool { isAwaited.load(ordering: .relaxed) }

  func takeSettlements() -> [@Sendable () -> Void] {
    settlements.withLock { settlements in
      isAwaited.store(false, ordering: .relaxed)
      defer { settlements = [] }
      return settlements
    }
  }

  /// Servers may have other Ethernet addresses than before.
  func serversMoved() {
    hasMovedServers.store(true, ordering: .releasing)
    bell.ring()
  }

  func takeMovedServers() -> Bool {
    hasMovedServers.load(ordering: .relaxed) && hasMovedServers.exchange(false, ordering: .acquiring)
  }

  func stop() {
    adoption.withLock { _ in settlements.withLock { _ in isStopping.store(true, ordering: .relaxed) } }
    bell.ring()
  }
}
