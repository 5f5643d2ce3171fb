import LVS
import Sync
import Synchronization

/// Tells other directors of connections and templates: looks at the tables once a second, which is half of what a
/// kernel's master lets its datagrams wait. One that tells of all looks as often as a fifth of its time allows.
actor SyncMaster {
  nonisolated let daemon: SyncDaemon
  private let ends: OwnEnds
  private let signature: SyncSignature?
  private let tellsAll: Bool
  private var lastSecond: ContinuousClock.Instant?
  private var plan: SyncSocket.Plan
  private var lines: [SyncLine] = []
  private var toldByWorker: [ToldFlows]
  private var toldTemplates: ToldFlows
  private let workers: WorkerPool
  private let figures: SyncFigures
  private let warn: @Sendable (String) -> Void
  /// Datagrams that may wait on a line.
  private var queueLimit: UInt32 = 1
  /// Datagrams since the last rest.
  private var burst = 0
  private static let longestBurst = 32
  /// What a packet has beside a datagram: the headers of IPv6, or of IPv4, and UDP.
  private static let packet = (mtu: 1_500, v4: 28, v6: 48)

  init(
    _ daemon: SyncDaemon, _ signature: SyncSignature?, tellsAll: Bool, _ workers: WorkerPool, _ figures: SyncFigures,
    _ ends: OwnEnds, warn: @escaping @Sendable (String) -> Void
  ) throws(SystemError) {
    (self.daemon, self.workers, self.figures, self.warn) = (daemon, workers, figures, warn)
    (self.signature, self.tellsAll, self.ends) = (signature, tellsAll, ends)
    let settings = workers.shared.publication.snapshot.settings
    plan = SyncSocket.Plan(daemon, settings)
    let nothing = ToldFlows(SyncPolicy())
    toldByWorker = workers.mailboxes.map { _ in nothing }
    toldTemplates = nothing
    lines = try Self.lines(plan, daemon, ends, Self.packer(daemon, settings, signature))
  }

  private static func lines(
    _ plan: SyncSocket.Plan, _ daemon: SyncDaemon, _ ends: OwnEnds, _ packer: SyncPacker
  ) throws(SystemError) -> [SyncLine] {
    let sockets = try plan.open(daemon)
    ends.set(sockets.compactMap(\.end))
    return sockets.map { SyncLine(packer, $0.send) }
  }

  /// Between two looks at the tables.
  private static let pauses = (shortest: Duration.milliseconds(20), longest: Duration.seconds(1))

  private static func packer(
    _ daemon: SyncDaemon, _ settings: Settings, _ signature: SyncSignature?
  ) -> SyncPacker {
    let headers = daemon.group?.family == .v6 ? packet.v6 : packet.v4
    let wanted = daemon.maxLength == 0 ? packet.mtu - headers : Int(daemon.maxLength)
    let limit = min(max(wanted, SyncPacker.lengths.lowerBound), SyncPacker.lengths.upperBound)
    return SyncPacker(
      id: UInt8(truncatingIfNeeded: daemon.syncID), limit: limit, version: settings.syncVersion == 0 ? .zero : .one,
      signature: signature)
  }

  /// Until the task is canceled.
  func run() async {
    var pause = Self.pauses.longest
    while (try? await Task.sleep(for: pause)) != nil {
      let spent = await ContinuousClock().measure { await round() }
      if tellsAll { pause = min(max(spent * 4, Self.pauses.shortest), Self.pauses.longest) }
    }
  }

  /// Whether a second has passed since this last was so.
  private func isNextSecond() -> Bool {
    let now = ContinuousClock.now
    if let lastSecond, now - lastSecond < Self.pauses.longest { return false }
    lastSecond = now
    return true
  }

  private func round() async {
    let snapshot = workers.shared.publication.snapshot
    reopen(snapshot.settings)
    let (policy, records) = (
      SyncPolicy(snapshot.settings, isComplete: tellsAll), FlowRecords(snapshot, workers.shared.servers)
    )
    queueLimit = snapshot.settings.syncQueueLength
    if isNextSecond() {
      await workers.settle()
      offer()
    }
    for worker in toldByWorker.indices {
      toldByWorker[worker] = ToldFlows(policy, after: toldByWorker[worker])
      await tell(worker, records)
    }
    await tellTemplates(records)
    await finish()
  }

  private func reopen(_ settings: Settings) {
    let (present, packer) = (SyncSocket.Plan(daemon, settings), Self.packer(daemon, settings, signature))
    if present != plan || lines.isEmpty {
      (plan, lines) = (present, [])
      do throws(SystemError) { lines = try Self.lines(plan, daemon, ends, packer) } catch {
        warn("sync master: \(error)")
      }
    }
    for line in lines.indices {
      lines[line].packer = Self.packer(daemon, settings, signature?.numbered(line))
    }
  }

  /// Says that this master can be asked for all that it knows.
  private func offer() {
    guard tellsAll, !lines.isEmpty else { return }
    let id = UInt8(truncatingIfNeeded: daemon.syncID)
    let offer = SyncMark.start.datagram(id: id, signature, now: Clock.epochMicroseconds)
    lines[0].send(offer, limit: queueLimit, figures)
  }

  private func tell(_ worker: Int, _ records: FlowRecords) async {
    var next: UInt32 = 1
    repeat {
      let start = next
      let (slice, end, now) = await workers.numbered(worker, from: start)
      next = end
      for (number, record) in slice {
        let timeout = records.timeout(record)
        guard toldByWorker[worker].tells(connection: record, number, timeout: timeout, now: now) else { continue }
        if let flow = records.connection(record) { await tell(flow, number) }
      }
    } while next != 0
  }

  private func tellTemplates(_ records: FlowRecords) async {
    var next: UInt32 = 1
    repeat {
      let (slice, end) = workers.shared.persistence.numbered(from: next, limit: WorkerPool.slice)
      next = end
      for (number, record) in slice where toldTemplates.tells(template: record, number) {
        if let flow = records.template(record) { await tell(flow, number) }
      }
    } while next != 0
  }

  /// - Parameter number: of the record, by which all that is told of it takes one line, and so stays in order.
  private func tell(_ flow: FlowRecord, _ number: ConnectionNumber) async {
    guard !lines.isEmpty else { return }
    // There are as many as a power of two.
    let line = Int(number) & (lines.count - 1)
    guard lines[line].packer.takes(flow) else { return }
    figures.send(.records)
    guard let full = lines[line].packer.add(flow, now: Clock.epochMicroseconds) else { return }
    lines[line].send(full, limit: queueLimit, figures)
    await rest()
  }

  /// Sends what was begun, and waits for what waits, for a second at most.
  private func finish() async {
    for line in lines.indices {
      if let last = lines[line].packer.finish(now: Clock.epochMicroseconds) {
        lines[line].send(last, limit: queueLimit, figures)
      }
    }
    for _ in 0..<1_000 where lines.contains(where: \.isWaiting) && !Task.isCancelled {
      // Canceled is as good as rested.
      try? await Task.sleep(for: .milliseconds(1))
      for line in lines.indices { lines[line].flush(figures) }
    }
  }

  /// Not too many are sent at once, so that they find room where they arrive.
  private func rest() async {
    burst += 1
    guard burst >= Self.longestBurst else { return }
    burst = 0
    // Canceled is as good as rested.
    try? await Task.sleep(for: .milliseconds(1))
  }
}
