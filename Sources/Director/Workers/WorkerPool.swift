import LVS

/// All workers of a plane: their threads, what the control side shares with each, and what they tell together.
public final class WorkerPool: Sendable {
  let group: any WorkerGroup
  let mailboxes: [WorkerMailbox]
  let shared: SharedTables
  private let tap = Tap()
  private let digest: EventDigest

  /// - Parameter state: where what they count is kept, and how; nil where it goes with the process.
  static func mailboxes(
    _ count: Int, in state: KeptState?
  ) throws(SystemError) -> [WorkerMailbox] {
    var mailboxes: [WorkerMailbox] = []
    for worker in 0..<count {
      let counters = try Counters(in: state?.directory, state?.manifest.traffic(worker) ?? "")
      mailboxes.append(try WorkerMailbox(counters))
    }
    return mailboxes
  }

  /// The connections of each worker, none of them yet.
  static func tables(
    _ options: DirectorOptions, seed: UInt64, in state: KeptState?
  ) throws(SystemError) -> [Parcel<ConnectionTable>] {
    var tables: [Parcel<ConnectionTable>] = []
    for worker in 0..<options.workers {
      let name = state?.manifest.connections(worker) ?? ""
      tables.append(Parcel(try ConnectionTable(capacity: options.room, seed: seed, in: state?.directory, name)))
    }
    return tables
  }

  /// Connects the workers to the interface and starts their threads.
  ///
  /// - Parameters:
  ///   - want: asks for the Ethernet address of a server.
  init(
    _ options: DirectorOptions, shared: SharedTables, mailboxes: [WorkerMailbox],
    tables: [Parcel<ConnectionTable>],
    seed: UInt64, on interface: Interface, _ digest: EventDigest, want: @escaping @Sendable (ServerNumber) -> Void
  ) throws(PlaneError) {
    (self.shared, self.mailboxes, self.digest) = (shared, mailboxes, digest)
    group = try Self.start(
      WorkerContext(
        options: options, mailboxes: mailboxes, tables: tables, shared: shared, tap: tap, seed: seed, want: want,
        told: { digest.report(.attached($0)) }),
      on: interface)
  }

  private static func start(_ context: WorkerContext, on interface: Interface) throws(PlaneError) -> any WorkerGroup {
    let (options, bells) = (context.options, context.mailboxes.map(\.bell))
    guard let mode = options.xdp else {
      return try WorkerThreads(context, interface) { interface throws(PlaneError) in
        try .packetRings(interface, options)
      }
    }
    return try WorkerThreads(context, interface) { interface throws(PlaneError) in
      try .sockets(interface, mode, options, bells: bells)
    }
  }

  /// Ends the threads.
  func stop() { group.stop(mailboxes) }

  /// Returns when all workers go by the configuration of that moment.
  func adopted(_ moment: UInt64) async {
    await withTaskGroup(of: Void.self) { group in
      for mailbox in mailboxes {
        group.addTask {
          await withCheckedContinuation { continuation in mailbox.adopted(moment) { continuation.resume() } }
        }
      }
    }
  }

  /// Returns when each worker has come round.
  func turn() async {
    for mailbox in mailboxes {
      await withCheckedContinuation { continuation in mailbox.ask { _, _ in continuation.resume() } }
    }
  }

  /// Has all counts include what the kernel forwarded by itself.
  func settle() async {
    guard group.forwardsFlows else { return }
    for mailbox in mailboxes {
      await withCheckedContinuation { continuation in mailbox.settle { continuation.resume() } }
    }
  }

  func expireTemplates() { shared.persistence.expire(Clock.ticks) }

  // MARK: Figures

  /// Where each worker runs, and how many frames were lost because it did not keep up.
  var ringDrops: [(processor: Int?, drops: UInt64)] {
    mailboxes.map { ($0.counters.runsOn, $0.counters.ringDrops.now) }
  }

  func status() async -> [WorkerStatus] {
    await settle()
    return mailboxes.enumerated().map { index, mailbox in
      let counters = mailbox.counters
      return WorkerStatus(
        id: index, processor: counters.runsOn, frames: counters.frames.now, batches: counters.batches.now,
        ringFill: UInt64(counters.ringFill.load(ordering: .relaxed)),
        ringSize: UInt64(counters.ringSize.load(ordering: .relaxed)), ringDrops: counters.ringDrops.now,
        handedOver: counters.handedOver.now, offloaded: counters.offloaded.now,
        transmitErrors: counters.transmitErrors.now,
        connections: UInt64(counters.connections.load(ordering: .relaxed)),
        load: Double(counters.load.load(ordering: .relaxed)) / 1_000)
    }
  }

  /// What became of frames, with what others count beside the workers.
  func verdicts(beside others: Counters) async -> VerdictCounts {
    await settle()
    return VerdictCounts(mailboxes.map(\.counters) + [others])
  }

  /// Frames that workers handle from now on, until the reader is dropped. What it is too slow for it does not get.
  public func tapped() throws(PlaneError) -> TapReader {
    let heap = try tap.open()
    group.suspendFlows()
    return TapReader(heap) { [tap, group, digest] heap in
      tap.close(heap)
      group.resumeFlows()
      guard heap.lost > 0 else { return }
      let warning = "a capture lost \(heap.lost) frames, since what it was written to is slow (capture fewer: --filter)"
      digest.report(.warning(warning))
    }
  }

  // MARK: Connections

  /// Records that are read at once from a worker, which meanwhile forwards nothing.
  static let slice: UInt32 = 2_048

  /// Calls `body` with slices of the connections and templates that match, until it returns false.
  func connections(_ filter: ConnectionFilter, _ body: @Sendable ([ConnectionStatus]) async -> Bool) async {
    let listing = ConnectionRows(filter, shared.publication.snapshot, shared.servers)
    await settle()
    for mailbox in mailboxes {
      var next: UInt32 = 1
      repeat {
        let start = next
        let (records, now): ([Connection], UInt32)
        (records, next, now) = await withCheckedContinuation { continuation in
          mailbox.ask { table, now in
            let (records, next) = table.slice(from: start, limit: Self.slice)
            continuation.resume(returning: (records, next, now))
          }
        }
        guard await deliver(listing.rows(records, now), body) else { return }
      } while next != 0
    }
    var next: UInt32 = 1
    repeat {
      let records: [Connection]
      (records, next) = shared.persistence.slice(from: next, limit: Self.slice)
      guard await deliver(listing.rows(records, Clock.ticks), body) else { return }
    } while next != 0
  }

  /// Calls `body` with slices of all connections, each with how many packets it has had, until it returns false.
  func counted(_ body: ([(row: ConnectionStatus, packets: UInt32)]) -> Bool) async {
    let listing = ConnectionRows(ConnectionFilter(), shared.publication.snapshot, shared.servers)
    await settle()
    for worker in mailboxes.indices {
      var next: UInt32 = 1
      repeat {
        let (records, rest, now) = await numbered(worker, from: next)
        next = rest
        let rows = records.compactMap { _, record in listing.row(record, now).map { (row: $0, packets: record.packets) }
        }
        guard body(rows) else { return }
      } while next != 0
    }
  }

  /// Some connections of a worker with their numbers, and its time; where to go on, or 0 at the end.
  func numbered(_ worker: Int, from start: UInt32) async -> (
    [(ConnectionNumber, Connection)], next: UInt32, now: UInt32
  ) {
    await withCheckedContinuation { continuation in
      mailboxes[worker].ask { table, now in
        var records: [(ConnectionNumber, Connection)] = []
        let next = table.visit(from: start, limit: Self.slice) { records.append(($0, $1)) }
        continuation.resume(returning: (records, next, now))
      }
    }
  }

  private func deliver(
    _ rows: [ConnectionStatus], _ body: @Sendable ([ConnectionStatus]) async -> Bool
  ) async -> Bool {
    rows.isEmpty ? !Task.isCancelled : await body(rows)
  }
}

extension VerdictCounts {
  /// The sum of what several counted.
  init(_ all: [Counters]) {
    func sum(_ figure: (Counters) -> UInt64) -> UInt64 { all.reduce(0) { $0 &+ figure($1) } }
    self.init(
      forwarded: sum { $0.forwarded.now &+ $0.offloaded.now }, answered: sum { $0.answered.now },
      passed: sum { $0.passed.now },
      held: sum { $0.held.now },
      dropped: Dictionary(
        uniqueKeysWithValues: DropReason.allCases.map { reason in (reason.name, sum { $0.dropped(reason) }) }))
  }
}
