import LVS

/// What all workers share and write: servers and persistence templates.
final class SharedTables: Sendable {
  let servers: ServerTable
  let persistence: PersistenceTable

  init(templates: Int = 1 << 20, seed: UInt64) throws(SystemError) {
    servers = try ServerTable()
    persistence = try PersistenceTable(capacity: templates, seed: seed, servers: servers)
  }
}
