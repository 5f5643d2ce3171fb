import LVS

/// `sh`: one server for each client address, by hash.
///
/// 256 buckets are dealt to the servers in turn, as many in a row to each as its weight, and one where the weight
/// is 0. The bucket of a connection is hash(client address + p), 8 bits; p is the client's port with the flag `port`
/// and 0 without. Where the bucket's server is not usable, nobody gets the connection; with the flag `fallback` up
/// to 256 other buckets are tried: bucket (o + 2h) mod 256 for o = 0, 1, …, where h is the hash. (The kernel adds h
/// to the offset and to the result.)
final class SourceHashing: Scheduler {
  private let buckets = Buffer<Int32>(repeating: 0, count: 256)
  private let flags: SchedulerFlags

  init(flags: SchedulerFlags) {
    self.flags = flags
  }

  func bind(_ servers: borrowing ServerList) {
    guard servers.count > 0 else { return }
    var (position, run) = (0, 0)
    for bucket in 0..<buckets.count {
      buckets[bucket] = Int32(position)
      run += 1
      if run >= servers[position].weight {
        position = position + 1 < servers.count ? position + 1 : 0
        run = 0
      }
    }
  }

  func changed(by edits: [ListEdit], _ servers: borrowing ServerList) { bind(servers) }

  func pick(_ connection: NewConnection, _ servers: borrowing ServerList) -> Int? {
    guard servers.count > 0 else { return nil }
    let port = flags.contains(.port) ? UInt32(connection.clientPort) : 0
    let hash = Int(multiplicativeHash(connection.client.folded &+ port, bits: 8))
    let position = Int(buckets[hash])
    if servers[position].isUsable { return position }
    return flags.contains(.fallback) ? fallback(from: hash, servers) : nil
  }

  private func fallback(from hash: Int, _ servers: borrowing ServerList) -> Int? {
    for offset in 0..<buckets.count {
      let position = Int(buckets[(offset + 2 * hash) % buckets.count])
      if servers[position].isUsable { return position }
    }
    return nil
  }
}
