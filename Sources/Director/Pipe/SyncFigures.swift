import LVS
import Synchronization

/// What became of a datagram.
enum SyncReception: String, CaseIterable {
  case taken
  /// A master can be asked.
  case offer
  /// Our own master sent it.
  case own
  /// Whoever signed it, if anybody did, does not have the key.
  case unsigned
  /// It was sent before.
  case replayed
  case wrongSize = "wrong_size"
  case otherID = "other_id"
  /// Taken up to where it cannot be read.
  case damaged
}

/// What a master counts of what it sends.
enum SyncSending: String, CaseIterable {
  case datagrams, records
  /// Datagrams that the system would not send, and those that found no room to wait.
  case errors, dropped
}

/// What became of a stream by which one director asks another for all that it knows.
enum SyncStreamOutcome: String, CaseIterable {
  /// To its end, as the one who was asked, and as the one who asked.
  case answered, taken
  /// The other end was not believed, or there were too many.
  case refused
  /// It broke off, or the other end was silent for too long.
  case failed
}

/// What the sync daemons count. Whoever has a hand in it adds.
final class SyncFigures: Sendable {
  /// One figure for each case of a kind.
  private struct Row: ~Copyable {
    private let figures = Mutex<[String: UInt64]>([:])

    func add(_ name: String, _ count: UInt64) { figures.withLock { $0[name, default: 0] &+= count } }

    func now(_ names: [String]) -> [String: UInt64] {
      figures.withLock { figures in Dictionary(uniqueKeysWithValues: names.map { ($0, figures[$0] ?? 0) }) }
    }
  }

  private let parent: SyncFigures?
  private let sent = Row()
  private let datagrams = Row()
  private let records = Row()
  private let streams = Row()

  /// - Parameter parent: what is counted here is counted there too.
  init(addingTo parent: SyncFigures? = nil) { self.parent = parent }

  func send(_ what: SyncSending) { sent.add(what.rawValue, 1) }
  func receive(_ reception: SyncReception) { datagrams.add(reception.rawValue, 1) }
  func stream(_ outcome: SyncStreamOutcome) {
    streams.add(outcome.rawValue, 1)
    parent?.stream(outcome)
  }

  func take(_ outcome: SyncOutcome, _ count: Int = 1) {
    records.add(outcome.rawValue, UInt64(count))
    parent?.take(outcome, count)
  }

  /// Whether there was a record of which this became.
  func has(_ outcome: SyncOutcome) -> Bool { records.now([outcome.rawValue])[outcome.rawValue] != 0 }

  func status(_ daemons: [SyncDaemon]) -> SyncStatus {
    SyncStatus(
      daemons: daemons, sent: sent.now(SyncSending.allCases.map(\.rawValue)),
      datagrams: datagrams.now(SyncReception.allCases.map(\.rawValue)),
      records: records.now(SyncOutcome.allCases.map(\.rawValue)),
      streams: streams.now(SyncStreamOutcome.allCases.map(\.rawValue)))
  }
}
