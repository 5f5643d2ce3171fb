import LVS

/// What all workers share: servers and persistence templates, which they write, the room that they have for connections,
/// and the configuration that is in force.
final class SharedTables: Sendable {
  let servers: ServerTable
  let persistence: PersistenceTable
  let room: ConnectionRoom
  let publication = Publication()

  init(connections: Int = 1 << 20, workers: Int = 1, templates: Int = 1 << 20, seed: UInt64) throws(SystemError) {
    servers = try ServerTable()
    persistence = try PersistenceTable(capacity: templates, seed: seed, servers: servers)
    room = ConnectionRoom(total: connections, workers: workers)
  }
}
