import LVS

/// What all workers share: servers and persistence templates, which they write, and the configuration that is in force.
final class SharedTables: Sendable {
  let servers: ServerTable
  let persistence: PersistenceTable
  let publication = Publication()

  init(templates: Int = 1 << 20, seed: UInt64) throws(SystemError) {
    servers = try ServerTable()
    persistence = try PersistenceTable(capacity: templates, seed: seed, servers: servers)
  }
}
