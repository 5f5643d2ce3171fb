/// `dh`: one server for each destination address, by hash.
///
/// 256 buckets are dealt to the servers in turn, whatever their weights; the bucket of a connection is
/// hash(destination), 8 bits. Where its server is not usable, nobody gets the connection.
final class DestinationHashing: Scheduler {
  private let buckets = Buffer<Int32>(repeating: 0, count: 256)

  func bind(_ servers: borrowing ServerList) {
    guard servers.count > 0 else { return }
    for bucket in 0..<buckets.count { buckets[bucket] = Int32(bucket % servers.count) }
  }

  func changed(by edits: [ListEdit], _ servers: borrowing ServerList) { bind(servers) }

  func pick(_ connection: NewConnection, _ servers: borrowing ServerList) -> Int? {
    guard servers.count > 0 else { return nil }
    let position = Int(buckets[Int(multiplicativeHash(connection.destination.folded, bits: 8))])
    return servers[position].isUsable ? position : nil
  }
}
