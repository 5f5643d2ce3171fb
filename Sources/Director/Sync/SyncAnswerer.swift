import LVS
import Sync

/// Tells directors that ask of all connections and templates, over TCP (`SyncStream`): a slice of a table at a time, as
/// fast as the other end reads, and no faster than that workers and this director's network have time for it.
actor SyncAnswerer {
  /// Directors that are answered at the same time; more are sent away.
  private static let most = 4
  /// A slice has to be read in so long, and a question asked.
  private static let patience = Duration.seconds(10)
  /// Between two slices, and between two looks for who connected.
  private static let rest = (slice: Duration.milliseconds(5), look: Duration.milliseconds(100))

  private let daemon: SyncDaemon
  private let key: [UInt8]?
  private let workers: WorkerPool
  private let figures: SyncFigures
  private let warn: @Sendable (String) -> Void
  private var plan: SyncSocket.Plan
  private var listener: SyncStreamSocket?
  private var replays = ReplayGuard()
  private var answering = 0

  init(
    _ daemon: SyncDaemon, key: [UInt8]?, _ workers: WorkerPool, _ figures: SyncFigures,
    warn: @escaping @Sendable (String) -> Void
  ) throws(SystemError) {
    (self.daemon, self.key, self.workers, self.figures, self.warn) = (daemon, key, workers, figures, warn)
    plan = SyncSocket.Plan(daemon, workers.shared.publication.snapshot.settings)
    listener = try SyncStreamSocket.listener(daemon)
  }

  /// Until the task is canceled.
  func run() async {
    await withDiscardingTaskGroup { group in
      while (try? await Task.sleep(for: Self.rest.look)) != nil {
        reopen()
        while let peer = listener?.accept() {
          guard answering < Self.most else {
            figures.stream(.refused)
            continue
          }
          answering += 1
          group.addTask { await self.serve(peer) }
        }
      }
    }
  }

  /// The interface may be another one by the same name.
  private func reopen() {
    let present = SyncSocket.Plan(daemon, workers.shared.publication.snapshot.settings)
    guard present != plan || listener == nil else { return }
    (plan, listener) = (present, nil)
    do throws(SystemError) { listener = try SyncStreamSocket.listener(daemon) } catch { warn("sync master: \(error)") }
  }

  private func serve(_ peer: SyncStreamSocket) async {
    defer { answering -= 1 }
    do {
      let question = try await question(of: peer)
      try await answer(question, peer)
      figures.stream(.answered)
    } catch { figures.stream(error is SyncStream.Distrust ? .refused : .failed) }
  }

  private func question(of peer: SyncStreamSocket) async throws -> SyncStream.Question {
    var cutter = SyncStream.Cutter()
    while true {
      let bytes = try await peer.read(within: Self.patience)
      guard !bytes.isEmpty else { throw SyncStream.Distrust.damaged }
      cutter.append(bytes)
      guard let datagram = try cutter.next() else { continue }
      return try SyncStream.Question(
        datagram, id: UInt8(truncatingIfNeeded: daemon.syncID), key: key, &replays, now: Clock.epochMicroseconds)
    }
  }

  private func answer(_ question: SyncStream.Question, _ peer: SyncStreamSocket) async throws {
    await workers.settle()
    var answer = SyncAnswerText(UInt8(truncatingIfNeeded: daemon.syncID), question.signature)
    var mark = question.mark
    while mark != .end {
      let snapshot = workers.shared.publication.snapshot
      let flows: [FlowRecord]
      (flows, mark) = await slice(from: mark, FlowRecords(snapshot, workers.shared.servers))
      try await peer.write(answer.bytes(flows, then: mark), within: Self.patience)
      try await Task.sleep(for: Self.rest.slice)
    }
  }

  /// Some records as they are now, and where to go on.
  private func slice(from mark: SyncMark, _ records: FlowRecords) async -> ([FlowRecord], next: SyncMark) {
    let templates = UInt32(workers.mailboxes.count)
    guard mark.part <= templates, mark.number > 0 else { return ([], .end) }
    if mark.part == templates {
      let (slice, next) = workers.shared.persistence.numbered(from: mark.number, limit: WorkerPool.slice)
      let flows = slice.compactMap { records.template($1)?.left(until: $1.expires, Clock.ticks) }
      return (flows, next == 0 ? .end : SyncMark(part: mark.part, number: next))
    }
    let (slice, next, now) = await workers.numbered(Int(mark.part), from: mark.number)
    let flows = slice.compactMap { records.connection($1)?.left(until: $1.expires, now) }
    return (flows, next == 0 ? SyncMark(part: mark.part + 1, number: 1) : SyncMark(part: mark.part, number: next))
  }
}

/// What an answer is made of.
private struct SyncAnswerText {
  private let id: UInt8
  private let signature: SyncSignature?
  private var packer: SyncPacker
  private var time: UInt64 = 0

  init(_ id: UInt8, _ signature: SyncSignature?) {
    (self.id, self.signature) = (id, signature)
    packer = SyncPacker(id: id, limit: 16_384, signature: signature)
  }

  mutating func bytes(_ flows: [FlowRecord], then mark: SyncMark) -> [UInt8] {
    var bytes: [UInt8] = []
    for flow in flows { if let full = packer.add(flow, now: now()) { bytes += full } }
    if let last = packer.finish(now: now()) { bytes += last }
    return bytes + mark.datagram(id: id, signature, now: now())
  }

  /// Grows with each call, even where the clock is set back.
  private mutating func now() -> UInt64 {
    time = max(time + 1, Clock.epochMicroseconds)
    return time
  }
}

extension FlowRecord {
  /// With the time that it really has left, a second at least.
  fileprivate func left(until end: UInt32, _ now: UInt32) -> FlowRecord {
    var record = self
    record.timeLeft = UInt32(max(Int32(bitPattern: end &- now) / Int32(ticksPerSecond), 1))
    return record
  }
}
