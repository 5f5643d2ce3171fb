import LVS

/// The connection table alone, for measuring it: flows by number, each from an address and a port of its own.
public struct TableBench: ~Copyable {
  private var table: ConnectionTable
  private let buckets = Buffer<UInt32>(repeating: 0, count: Director.batch)

  public init(capacity: Int) throws(PlaneError) {
    table = try available { () throws(SystemError) in try ConnectionTable(capacity: capacity, seed: 1) }
  }

  public var count: Int { table.count }

  /// Record and place in the index together.
  public static var bytesPerConnection: Int { ConnectionTable.bytesPerRecord }

  @inline(__always)
  private static func key(_ flow: UInt32) -> ConnectionKey {
    ConnectionKey(
      client: IPAddress(v4: 0x6440_0000 | flow & 0x3f_ffff), clientPort: 1024 &+ UInt16(truncatingIfNeeded: flow >> 22),
      vip: 1, virtualPort: 80, transport: TCP.number)
  }

  /// Adds the connections of these flows, each with an end within 90 s, as much as there is room for.
  public mutating func insert(_ flows: [UInt32]) {
    for flow in flows {
      let key = Self.key(flow)
      let number = table.insert(key)
      guard number != 0 else { return }
      table.time(number, expires: 1 &+ flow % 9_000)
    }
  }

  /// Looks flows up in batches of two passes, as a worker does; how many there are.
  public func lookup(_ flows: [UInt32]) -> Int {
    var (found, first) = (0, 0)
    while first < flows.count {
      let end = min(first &+ Director.batch, flows.count)
      found &+= lookup(flows, first, end &- first)
      first = end
    }
    return found
  }

  @inline(__always)
  private func lookup(_ flows: [UInt32], _ first: Int, _ count: Int) -> Int {
    var found = 0
    for index in 0..<count {
      buckets[index] = table.bucket(of: Self.key(flows[first &+ index]))
      table.prefetchBucket(buckets[index])
    }
    for index in 0..<min(count, Director.ahead) { table.prefetchRecord(buckets[index]) }
    for index in 0..<count {
      if index &+ Director.ahead < count { table.prefetchRecord(buckets[index &+ Director.ahead]) }
      if table.find(Self.key(flows[first &+ index]), in: buckets[index]) != 0 { found &+= 1 }
    }
    return found
  }

  /// Removes all connections as their time comes.
  public mutating func expireAll() {
    var now: UInt32 = 0
    while table.count > 0 {
      now &+= 1
      var budget = Int.max
      while true {
        let number = table.nextExpired(now, budget: &budget)
        guard number != 0 else { break }
        table.remove(number)
      }
    }
  }
}
