import LVS

/// What the plane can tell of itself.
extension UserspacePlane {
  public func neighbors() async -> [NeighborStatus] {
    await neighborhood.inspect { $0.neighbors.listing($1) }
  }

  public func vips() async -> [VIPStatus] {
    await neighborhood.inspect { neighborhood, _ in neighborhood.vips.listing }
  }

  /// Returns when each thread has come round: they all work.
  public func turn() async {
    await neighborhood.inspect { _, _ in }
    for mailbox in mailboxes {
      await withCheckedContinuation { continuation in mailbox.ask { _, _ in continuation.resume() } }
    }
  }

  /// Has all counts include what the kernel forwarded by itself.
  func settle() async {
    guard workerGroup.forwardsFlows else { return }
    for mailbox in mailboxes {
      await withCheckedContinuation { continuation in mailbox.settle { continuation.resume() } }
    }
  }

  public func workers() async -> [WorkerStatus] {
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

  public func verdicts() async -> VerdictCounts {
    await settle()
    return VerdictCounts(mailboxes.map(\.counters) + [neighborhoodCounters])
  }

  /// Frames that workers handle from now on, until the reader is dropped. What it is too slow for it does not get.
  public func tapped() throws(PlaneError) -> TapReader {
    let heap = try tap.open()
    workerGroup.suspendFlows()
    return TapReader(heap) { [tap, workerGroup, digest] heap in
      tap.close(heap)
      workerGroup.resumeFlows()
      guard heap.lost > 0 else { return }
      let warning = "a capture lost \(heap.lost) frames, since what it was written to is slow (capture fewer: --filter)"
      digest.report(.warning(warning), now: Clock.milliseconds)
    }
  }

  // MARK: Connections

  /// Records that are read at once from a worker, which meanwhile forwards nothing.
  static let slice: UInt32 = 2_048

  public func connections(
    _ filter: ConnectionFilter, _ body: @Sendable ([ConnectionStatus]) async -> Bool
  ) async throws(PlaneError) {
    guard let snapshot = mailboxes.first?.snapshot else { return }
    let listing = ConnectionRows(filter, snapshot, shared.servers)
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
