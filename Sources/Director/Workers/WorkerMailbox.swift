import Synchronization

/// What the control side and a worker share: the configuration that it is to take over, questions for it, its counters.
final class WorkerMailbox: Sendable {
  let bell: Bell
  let counters: Counters
  let generation = Atomic<UInt64>(0)
  private let isStopping = Atomic<Bool>(false)
  private let hasMovedServers = Atomic<Bool>(false)
  private let latest: Mutex<Snapshot>
  private let adopted = Mutex<[(generation: UInt64, resume: @Sendable () -> Void)]>([])
  private let questions = Mutex<[@Sendable (borrowing ConnectionTable, UInt32) -> Void]>([])
  private let settlements = Mutex<[@Sendable () -> Void]>([])
  private let isAwaited = Atomic<Bool>(false)

  init(_ snapshot: Snapshot) throws(SystemError) {
    bell = try Bell()
    counters = try Counters()
    latest = Mutex(snapshot)
    generation.store(snapshot.generation, ordering: .relaxed)
  }

  var snapshot: Snapshot { latest.withLock { $0 } }
  var hasToStop: Bool { isStopping.load(ordering: .relaxed) }

  /// Hands over a new configuration; `resume` is called once the worker uses it.
  func post(_ snapshot: Snapshot, then resume: @escaping @Sendable () -> Void) {
    let isTaken = adopted.withLock { adopted in
      guard !hasToStop else { return false }
      adopted.append((snapshot.generation, resume))
      return true
    }
    guard isTaken else { return resume() }
    latest.withLock { $0 = snapshot }
    generation.store(snapshot.generation, ordering: .releasing)
    bell.ring()
  }

  /// The worker uses this configuration now.
  func acknowledge(_ generation: UInt64) {
    let waiting = adopted.withLock { adopted in
      defer { adopted.removeAll { $0.generation <= generation } }
      return adopted.filter { $0.generation <= generation }
    }
    for (_, resume) in waiting { resume() }
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
    adopted.withLock { _ in settlements.withLock { _ in isStopping.store(true, ordering: .relaxed) } }
    bell.ring()
  }
}
