import LVS

/// What the plane can tell of itself.
extension UserspacePlane {
  public func neighbors() async -> [NeighborStatus] {
    await neighborhood.inspect { $0.neighbors.listing($1) }
  }

  public func vips() async -> [VIPStatus] {
    await neighborhood.inspect { neighborhood, _ in neighborhood.vips.listing }
  }

  public func workers() async -> [WorkerStatus] {
    mailboxes.enumerated().map { index, mailbox in
      let counters = mailbox.counters
      return WorkerStatus(
        id: index, processor: counters.runsOn, frames: counters.frames.now, batches: counters.batches.now,
        ringFill: UInt64(counters.ringFill.load(ordering: .relaxed)),
        ringSize: UInt64(counters.ringSize.load(ordering: .relaxed)), ringDrops: counters.ringDrops.now,
        handedOver: counters.handedOver.now, transmitErrors: counters.transmitErrors.now,
        connections: UInt64(counters.connections.load(ordering: .relaxed)),
        load: Double(counters.load.load(ordering: .relaxed)) / 1_000)
    }
  }

  public func verdicts() async -> VerdictCounts {
    VerdictCounts(mailboxes.map(\.counters) + [neighborhoodCounters])
  }

  /// Frames that workers handle from now on, in batches, until the stream is dropped. A reader that falls 64 batches
  /// behind misses some.
  public func tapped() -> AsyncStream<[TappedFrame]> {
    let tap = tap
    tap.open()
    return AsyncStream(bufferingPolicy: .bufferingOldest(64)) { continuation in
      let task = Task {
        while (try? await Task.sleep(for: .milliseconds(50))) != nil {
          let frames = tap.take()
          if !frames.isEmpty { continuation.yield(frames) }
        }
      }
      continuation.onTermination = { _ in
        task.cancel()
        tap.close()
      }
    }
  }

  // MARK: Connections

  /// Records that are read at once from a worker, which meanwhile forwards nothing.
  private static let slice: UInt32 = 2_048

  public func connections(
    _ filter: ConnectionFilter, _ body: @Sendable ([ConnectionStatus]) async -> Bool
  ) async throws(PlaneError) {
    let vips = Dictionary(
      mailboxes.first?.snapshot.vips.map { ($0.1, $0.0) } ?? [], uniquingKeysWith: { first, _ in first })
    for mailbox in mailboxes {
      var next: UInt32 = 1
      repeat {
        let start = next
        let (records, now): ([Connection], UInt32)
        (records, next, now) = await withCheckedContinuation { continuation in
          mailbox.ask { table, now in
            var records: [Connection] = []
            let next = table.visit(from: start, limit: Self.slice) { records.append($1) }
            continuation.resume(returning: (records, next, now))
          }
        }
        guard await deliver(records, now, vips, filter, body) else { return }
      } while next != 0
    }
    var next: UInt32 = 1
    repeat {
      var records: [Connection] = []
      next = shared.persistence.visit(from: next, limit: Self.slice) { records.append($0) }
      guard await deliver(records, Clock.ticks, vips, filter, body) else { return }
    } while next != 0
  }

  private func deliver(
    _ records: [Connection], _ now: UInt32, _ vips: [UInt16: IPAddress], _ filter: ConnectionFilter,
    _ body: @Sendable ([ConnectionStatus]) async -> Bool
  ) async -> Bool {
    let rows = records.compactMap { row($0, now, vips) }.filter { matches($0, filter) }
    return rows.isEmpty ? true : await body(rows)
  }

  private func row(_ record: Connection, _ now: UInt32, _ vips: [UInt16: IPAddress]) -> ConnectionStatus? {
    let end = shared.servers[record.server].endpoint
    let isMark = record.transport == 0
    let mark = UInt32(record.vip) << 16 | UInt32(record.virtualPort)
    guard let vip = isMark ? IPAddress(v4: mark) : vips[record.vip] else { return nil }
    // Direct routing keeps the port, so the server's is the packet's: not that of FTP's service for its data.
    let port = record.isInvalidated ? .max : isMark ? 0 : record.virtualPort
    let isTemplate = record.flags.contains(.template)
    let left = Int32(bitPattern: record.expires &- now)
    let state = ConnectionState(rawValue: record.state) ?? .none
    return ConnectionStatus(
      transport: TransportProtocol(rawValue: record.transport)?.name ?? "ip",
      client: Endpoint(record.client(end.address.family), record.clientPort),
      virtual: Endpoint(vip, port), server: Endpoint(end.address, port),
      state: isTemplate ? (record.flags.contains(.assured) ? "ASSURED" : "NONE") : state.name,
      expires: left > 0 ? UInt32(left) / ticksPerSecond : 0, isTemplate: isTemplate)
  }

  private func matches(_ row: ConnectionStatus, _ filter: ConnectionFilter) -> Bool {
    if let client = filter.client, !client.contains(row.client.address) { return false }
    if let server = filter.server, row.server.address != server { return false }
    if let state = filter.state, row.state != state { return false }
    if case .endpoint(let transport, let end)? = filter.service {
      return row.transport == transport.name && row.virtual == end
    }
    return true
  }
}

extension VerdictCounts {
  /// The sum of what several counted.
  init(_ all: [Counters]) {
    func sum(_ figure: (Counters) -> UInt64) -> UInt64 { all.reduce(0) { $0 &+ figure($1) } }
    self.init(
      forwarded: sum { $0.forwarded.now }, answered: sum { $0.answered.now }, passed: sum { $0.passed.now },
      held: sum { $0.held.now },
      dropped: Dictionary(
        uniqueKeysWithValues: DropReason.allCases.map { reason in (reason.name, sum { $0.dropped(reason) }) }))
  }
}
