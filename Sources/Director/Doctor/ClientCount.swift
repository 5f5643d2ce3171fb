import LVS
import Synchronization

/// Counts the different clients of many connections, up to where "many" is all one needs to know.
final class ClientCount: Sendable {
  static let limit = 1_000

  private let clients = Mutex<Set<IPAddress>>([])

  var count: Int { clients.withLock { $0.count } }

  /// Whether to go on counting.
  func add(_ rows: [ConnectionStatus]) -> Bool {
    clients.withLock { clients in
      for row in rows { clients.insert(row.client.address) }
      return clients.count < Self.limit
    }
  }
}
