import LVS

/// What all workers share: servers and persistence templates, which they write, the room that they have for connections,
/// and the configuration that is in force.
final class SharedTables: Sendable {
  let servers: ServerTable
  let persistence: PersistenceTable
  let room: ConnectionRoom
  let publication = Publication()
  let moving = MovingVIPs()
  /// What the numbers in records stand for.
  let names: SavedNames

  /// - Parameter state: where what outlives the process is kept; nil where nothing does.
  init(
    connections: Int = 1 << 20, workers: Int = 1, templates: Int = 1 << 20, seed: UInt64,
    in state: StateDirectory? = nil
  ) throws(SystemError) {
    names = try SavedNames(state)
    servers = try ServerTable(names.servers)
    persistence = try PersistenceTable(capacity: templates, seed: seed, servers: servers, in: state)
    room = ConnectionRoom(total: connections, workers: workers)
  }
}
