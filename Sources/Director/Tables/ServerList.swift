/// What a scheduler sees of one real server.
struct ServerLoad: BitwiseCopyable, Equatable {
  /// The server's place in the server table; it stays while the position in the list changes.
  var id: ServerNumber
  var weight: Int32
  /// The last weight that was not zero: quiescing a server does not move the other clients of `mh`.
  var lastWeight: Int32
  var active: UInt32 = 0
  var inactive: UInt32 = 0
  /// The address folded to 32 bits (`IPAddress.folded`), for the hashing schedulers.
  var address: UInt32
  var port: UInt16
  /// Set when the connections reached the upper threshold, cleared when they fell below the lower one.
  var isOverloaded = false

  /// May get new connections.
  @inline(__always) var isUsable: Bool { weight > 0 && !isOverloaded }

  /// The cost of `lc` and `wlc`: an active connection counts as 256 inactive ones (`ip_vs_dest_conn_overhead`
  /// up to Linux 6.11).
  @inline(__always) var overhead: UInt64 { UInt64(active) << 8 + UInt64(inactive) }
}

/// The real servers of one service in the kernel's order: a new one comes first.
///
/// The records lie in one growing block; positions are 0..<count and shift when a server is added or removed.
struct ServerList: ~Copyable {
  private var records: Buffer<ServerLoad>
  private(set) var count = 0

  private static let empty = ServerLoad(id: 0, weight: 0, lastWeight: 0, address: 0, port: 0)

  init() {
    records = Buffer(repeating: Self.empty, count: 4)
  }

  @inline(__always)
  subscript(position: Int) -> ServerLoad {
    get {
      precondition(UInt(bitPattern: position) < UInt(bitPattern: count))
      return records[position]
    }
    _modify {
      precondition(UInt(bitPattern: position) < UInt(bitPattern: count))
      yield &records[position]
    }
  }

  /// A list of its own with the same servers, to bind a scheduler to while this one goes on.
  func copy() -> ServerList {
    var copy = ServerList()
    copy.records = Buffer(repeating: Self.empty, count: records.count)
    for position in 0..<count { copy.records[position] = records[position] }
    copy.count = count
    return copy
  }

  /// Makes `server` the first of the list.
  mutating func insertFirst(_ server: ServerLoad) {
    makeRoom()
    for position in stride(from: count, to: 0, by: -1) { records[position] = records[position - 1] }
    records[0] = server
    count += 1
  }

  /// Makes `server` the last of the list.
  mutating func append(_ server: ServerLoad) {
    makeRoom()
    records[count] = server
    count += 1
  }

  private mutating func makeRoom() {
    guard count == records.count else { return }
    let larger = Buffer(repeating: Self.empty, count: 2 * count)
    for position in 0..<count { larger[position] = records[position] }
    records = larger
  }

  mutating func remove(at position: Int) {
    precondition(position < count)
    for next in (position + 1)..<max(count, position + 1) { records[next - 1] = records[next] }
    count -= 1
  }
}
