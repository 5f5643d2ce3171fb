import LVS
import Sync
import Synchronization

/// Asks each master that says so by multicast, once, for all that it knows (`SyncStream`), and enters what is not known
/// here. Where that breaks off, it goes on from there when the master says so again; where there were connections of
/// services that are not configured here, it asks again when others are.
final class SyncAsker: Sendable {
  private struct Master {
    var mark = SyncMark.start
    /// What was configured when all was told; nil where it was not.
    var moment: UInt64?
    /// What came of the last answer.
    var figures: SyncFigures
    var task: Task<Void, Never>?
  }

  /// Masters that are remembered, and those that are asked at the same time.
  private static let most = (known: 16, asked: 2)
  private static let patience = Duration.seconds(10)
  /// For workers to take what came.
  private static let rest = Duration.milliseconds(10)

  private let masters = Mutex<[SyncSocket.End: Master]>([:])
  private let daemon: SyncDaemon
  private let key: [UInt8]?
  private let workers: WorkerPool
  private let figures: SyncFigures

  init(_ daemon: SyncDaemon, key: [UInt8]?, _ workers: WorkerPool, _ figures: SyncFigures) {
    (self.daemon, self.key, self.workers, self.figures) = (daemon, key, workers, figures)
  }

  /// A master said that it can be asked. Its end is another one after each of its starts.
  func hear(_ end: SyncSocket.End) {
    masters.withLock { masters in
      var master = masters[end] ?? Master(figures: figures)
      guard master.task == nil, isWorthAsking(master),
        masters.count(where: { $0.value.task != nil }) < Self.most.asked
      else { return }
      if masters.count >= Self.most.known, masters[end] == nil {
        guard let old = masters.first(where: { $0.value.task == nil })?.key else { return }
        masters[old] = nil
      }
      master.task = Task { [mark = master.mark] in await self.ask(end, from: mark) }
      masters[end] = master
    }
  }

  func stop() { masters.withLock { masters in for master in masters.values { master.task?.cancel() } } }

  private func isWorthAsking(_ master: Master) -> Bool {
    guard let moment = master.moment else { return true }
    return moment != workers.shared.publication.moment && master.figures.has(.unknown)
  }

  private func ask(_ end: SyncSocket.End, from mark: SyncMark) async {
    let (moment, figures) = (workers.shared.publication.moment, SyncFigures(addingTo: figures))
    let id = UInt8(truncatingIfNeeded: daemon.syncID)
    var answer = SyncStream.Answer(id: id, key: key, from: mark, now: Clock.epochMicroseconds)
    do {
      try await take(&answer, from: end, SyncDelivery(workers, figures))
      figures.stream(.taken)
    } catch { figures.stream(error is SyncStream.Distrust ? .refused : .failed) }
    let next = answer.isWhole ? Master(moment: moment, figures: figures) : Master(mark: answer.mark, figures: figures)
    masters.withLock { $0[end] = next }
  }

  private func take(
    _ answer: inout SyncStream.Answer, from end: SyncSocket.End, _ delivery: SyncDelivery
  ) async throws {
    let socket = try SyncStreamSocket.connection(to: end, daemon)
    try await socket.write(answer.question, within: Self.patience)
    while !answer.isWhole {
      let bytes = try await socket.read(within: Self.patience)
      guard !bytes.isEmpty else { throw SystemError("sync stream", code: 104) }
      answer.append(bytes)
      while let records = try answer.next() { try await deliver(records, by: delivery) }
    }
  }

  /// Returns when all of it waits for its worker.
  private func deliver(_ records: [FlowRecord], by delivery: SyncDelivery) async throws {
    var left = delivery.deliver(records, isSnapshot: true)
    while !left.isEmpty {
      try await Task.sleep(for: Self.rest)
      left = delivery.deliver(left, isSnapshot: true)
    }
  }
}
