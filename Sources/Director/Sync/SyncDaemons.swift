import LVS
import Serial
import Sync
import Synchronization

/// The sync daemons of a plane.
final class SyncDaemons: Synchronization {
  private struct Running {
    var master: (teller: SyncMaster, tasks: [Task<Void, Never>])?
    var backup: (taker: SyncBackup, asker: SyncAsker?)?
  }

  private let running = Mutex(Running())
  private let turns = Turnstile()
  private let workers: WorkerPool
  private let key: [UInt8]?
  private let signature: SyncSignature?
  private let tellsAll: Bool
  private let figures = SyncFigures()
  private let ends = OwnEnds()
  private let warn: @Sendable (String) -> Void

  /// - Parameters:
  ///   - key: what signs datagrams, and without which none is taken; nil for IPVS's own way.
  ///   - tellsAll: whether masters tell of every connection and answer who asks for all, and backups ask.
  ///   - warn: tells the operator a line.
  init(_ workers: WorkerPool, key: [UInt8]?, tellsAll: Bool, warn: @escaping @Sendable (String) -> Void) {
    (self.workers, self.key, self.tellsAll, self.warn) = (workers, key, tellsAll, warn)
    signature = key.map { SyncSignature(key: $0) }
  }

  func status() async -> SyncStatus {
    figures.status(running.withLock { [$0.master?.teller.daemon, $0.backup?.taker.daemon].compactMap { $0 } })
  }

  func start(_ daemon: SyncDaemon) async throws(PlaneError) {
    try await turns.withTurn { () async throws(PlaneError) in
      do throws(SystemError) {
        switch daemon.role {
        case .master: try startMaster(daemon)
        case .backup: try startBackup(daemon)
        }
      } catch {
        throw error.code == SystemError.exists ? .syncRuns(daemon.role) : .unavailable("sync \(daemon.role): \(error)")
      }
    }
  }

  private func startMaster(_ daemon: SyncDaemon) throws(SystemError) {
    try require(running.withLock { $0.master == nil })
    let master = try SyncMaster(daemon, signature, tellsAll: tellsAll, workers, figures, ends, warn: warn)
    let answerer = tellsAll ? try SyncAnswerer(daemon, key: key, workers, figures, warn: warn) : nil
    var tasks = [Task { await master.run() }]
    if let answerer { tasks.append(Task { await answerer.run() }) }
    running.withLock { [tasks] running in running.master = (master, tasks) }
  }

  private func startBackup(_ daemon: SyncDaemon) throws(SystemError) {
    try require(running.withLock { $0.backup == nil })
    let delivery = SyncDelivery(workers, figures)
    let asker = tellsAll ? SyncAsker(daemon, key: key, workers, figures) : nil
    let receiver = try SyncReceiver(
      daemon, signature, workers.shared.publication, delivery, asker, isOwn: { [ends] in ends.has($0) })
    let backup = try SyncBackup(daemon, receiver, warn: warn)
    running.withLock { $0.backup = (backup, asker) }
  }

  private func require(_ isFree: Bool) throws(SystemError) {
    guard isFree else { throw SystemError("start", code: SystemError.exists) }
  }

  func stop(_ role: SyncDaemon.Role) async throws(PlaneError) {
    try await turns.withTurn { () async throws(PlaneError) in
      guard end(role) else { throw .noSync(role) }
    }
  }

  /// Ends those that run.
  func stop() async {
    await turns.withTurn { for role in SyncDaemon.Role.allCases { _ = end(role) } }
  }

  func move(_ vips: [IPAddress], seconds: UInt32) async {
    workers.shared.moving.set(Set(vips), seconds: seconds, now: Clock.ticks)
  }

  func enter(_ rows: [ConnectionStatus]) async throws(PlaneError) -> [String: UInt64] {
    let entered = SyncFigures()
    let delivery = SyncDelivery(workers, entered)
    var waiting = rows.compactMap { FlowRecord($0) }
    if waiting.count < rows.count { entered.take(.unfit, rows.count - waiting.count) }
    let end = ContinuousClock.now + .seconds(10)
    repeat {
      waiting = delivery.deliver(waiting, isSnapshot: true)
      let outcomes = entered.status([]).records
      if outcomes.values.reduce(0, +) == rows.count { return outcomes }
      // Canceled is as good as slept.
      try? await Task.sleep(for: .milliseconds(2))
    } while ContinuousClock.now < end
    throw .unavailable("the workers had no time for \(rows.count) connections")
  }

  private func end(_ role: SyncDaemon.Role) -> Bool {
    switch role {
    case .master:
      let master = running.withLock { running in
        defer { running.master = nil }
        return running.master
      }
      for task in master?.tasks ?? [] { task.cancel() }
      ends.set([])
      return master != nil
    case .backup:
      let backup = running.withLock { running in
        defer { running.backup = nil }
        return running.backup
      }
      backup?.taker.stop()
      backup?.asker?.stop()
      return backup != nil
    }
  }
}

/// Where the datagrams of this director's own master come from.
final class OwnEnds: Sendable {
  private let ends = Mutex<Set<SyncSocket.End>>([])

  func set(_ now: some Sequence<SyncSocket.End>) { ends.withLock { $0 = Set(now) } }
  func has(_ end: SyncSocket.End) -> Bool { ends.withLock { $0.contains(end) } }
}

extension SystemError {
  fileprivate static let exists: Int32 = 17
}
