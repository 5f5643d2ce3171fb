import LVS
import Synchronization

/// Finds clients that one server leaves waiting while others answer them, in a bounded look at the connection table.
///
/// In direct routing the director does not see answers, resets and ICMP errors included, but it sees whether a client goes
/// on after its SYN, and whether it sends that again.
final class HalfOpenCount: Sendable {
  /// A client none of whose connections to this server goes on.
  struct Wait: Sendable, Hashable {
    var client: IPAddress
    var server: Endpoint
    var virtual: Endpoint
    /// How many wait.
    var count: Int
    /// For how many of them the client has sent its SYN again.
    var repeated: Int
  }

  private struct Pair: Hashable {
    var client: IPAddress
    var virtual: Endpoint
  }

  private struct Seen {
    var waiting: [Endpoint: (count: Int, repeated: Int)] = [:]
    var answered: Set<Endpoint> = []
  }

  /// Rows that are looked at, and clients of services that are kept.
  private static let (rowLimit, pairLimit) = (200_000, 20_000)
  /// Fewer may be lost packets.
  private static let leastWaiting = 3
  /// Of what is left of a half-open connection's time at most, in seconds: a younger one may yet be answered, or have its
  /// SYN sent again, as clients do after a second.
  private static let latestEnd = ConnectionState.synRecv.defaultTimeout - 2

  private let state = Mutex<(rows: Int, pairs: [Pair: Seen])>((0, [:]))

  /// Whether to go on counting.
  func add(_ rows: [(row: ConnectionStatus, packets: UInt32)]) -> Bool {
    state.withLock { state in
      for (row, packets) in rows where row.transport == TransportProtocol.tcp.name && !row.isTemplate {
        let pair = Pair(client: row.client.address, virtual: row.virtual)
        guard state.pairs[pair] != nil || state.pairs.count < Self.pairLimit else { continue }
        if row.state == "SYN_RECV" {
          guard row.expires <= Self.latestEnd else { continue }
          let before = state.pairs[pair]?.waiting[row.server] ?? (0, 0)
          let after = (before.count + 1, before.repeated + (packets > 1 ? 1 : 0))
          state.pairs[pair, default: Seen()].waiting[row.server] = after
        } else if row.state != "CLOSE" {
          state.pairs[pair, default: Seen()].answered.insert(row.server)
        }
      }
      state.rows += rows.count
      return state.rows < Self.rowLimit
    }
  }

  /// One for each server, the client with the most connections that wait; a flood's invented clients are answered by
  /// no server, and are not among them.
  var waits: [Wait] {
    var worst: [Endpoint: Wait] = [:]
    for (pair, seen) in state.withLock({ $0.pairs }) where !seen.answered.isEmpty {
      for (server, (count, repeated)) in seen.waiting
      where count >= Self.leastWaiting && !seen.answered.contains(server) {
        let wait = Wait(
          client: pair.client, server: server, virtual: pair.virtual, count: count, repeated: repeated)
        if worst[server].map({ ($0.count, pair.client) < (count, $0.client) }) ?? true { worst[server] = wait }
      }
    }
    return worst.values.sorted { $0.server < $1.server }
  }
}
