import LVS

/// The tables that traffic fills.
extension WorkerPool {
  /// Each of them, of all workers together.
  var tables: [TableStatus] {
    [
      connections, templates,
      frames(.fragments, FragmentTable.maximumWaiting, .fragmentQueueFull) { $0.fragments.load(ordering: .relaxed) },
      frames(.held, HoldQueue.capacity, .holdQueueFull) { $0.holding.load(ordering: .relaxed) },
    ]
  }

  private var connections: TableStatus {
    TableStatus(
      .connections, entries: sum { UInt64($0.connections.load(ordering: .relaxed)) },
      capacity: UInt64(shared.room.total),
      evicted: [
        "half_open": sum { $0.evictedHalfOpen.now }, "one_packet": sum { $0.evictedOnePacket.now },
        "closing": sum { $0.evictedClosing.now },
      ], refused: sum { $0.dropped(.connectionTableFull) })
  }

  private var templates: TableStatus {
    TableStatus(
      .templates, entries: UInt64(shared.persistence.count), capacity: UInt64(shared.persistence.capacity),
      evicted: ["unused": shared.persistence.evicted], refused: sum { $0.dropped(.templateTableFull) })
  }

  /// Frames that wait, of which each worker has a queue.
  private func frames(
    _ name: TableStatus.Name, _ capacity: Int, _ reason: DropReason, _ waiting: (Counters) -> Int
  ) -> TableStatus {
    TableStatus(
      name, entries: sum { UInt64(waiting($0)) }, capacity: UInt64(capacity * mailboxes.count),
      refused: sum { $0.dropped(reason) })
  }

  private func sum(_ figure: (Counters) -> UInt64) -> UInt64 { mailboxes.reduce(0) { $0 &+ figure($1.counters) } }

  /// Whether the connection table is nearly full, and the defenses against overload are to go up.
  var isCrowded: Bool { connections.isCrowded }

  /// How much there is room for, in words.
  var sizes: String {
    let mebibytes = (shared.room.total * ConnectionTable.bytesPerRecord) >> 20
    return "room for \(shared.room.total) connections (the whole table, \(mebibytes) MiB when it is full) and "
      + "\(shared.persistence.capacity) persistence templates"
  }
}
