import LVS

/// What `lblc` and `lblcr` remember: the servers that each destination address was sent to.
///
/// An entry holds a set of servers in order, a new one first; `lblc` has one in each set. A server that leaves the
/// service stays a member with no position, and is found again when it comes back under the same id. One cache
/// serves one service, whose destinations are of one address family.
struct DestinationCache: ~Copyable {
  struct Entry: BitwiseCopyable {
    var high: UInt64
    var low: UInt64
    /// Times in hundredths of a second, which wrap.
    var lastUse: UInt32
    /// When the set last won or lost a member.
    var lastChange: UInt32
    /// The first member, and the next entry of the bucket; -1 is none.
    var firstMember: Int32 = -1
    var next: Int32
    var memberCount: Int32 = 0
  }

  struct Member: BitwiseCopyable {
    /// `ServerLoad.id`.
    var server: ServerNumber
    /// Its place in the service's list; -1 while it is not in it.
    var position: Int32
    /// -1 is none.
    var next: Int32
  }

  private static let bucketBits: UInt32 = 10
  private let buckets = Buffer<Int32>(repeating: -1, count: 1 << Self.bucketBits)
  private let entries = Slab<Entry>()
  private let members = Slab<Member>()
  /// One record.
  private let expiry: Buffer<CacheExpiry>

  /// `expiration`: how long an entry may stay unused, in hundredths of a second.
  init(expiration: UInt32) {
    expiry = Buffer(repeating: CacheExpiry(expiration: expiration), count: 1)
  }

  var count: Int { entries.count }

  subscript(entry entry: Int32) -> Entry { entries[entry] }
  subscript(member member: Int32) -> Member { members[member] }

  /// Where the first member of the set is in the list; nil while it is not in it.
  func firstPosition(of entry: Int32) -> Int? {
    let position = members[entries[entry].firstMember].position
    return position >= 0 ? Int(position) : nil
  }

  private func bucket(of address: IPAddress) -> Int {
    Int(multiplicativeHash(address.folded, bits: Self.bucketBits))
  }

  /// The entry of `address`, which is thereby used.
  func find(_ address: IPAddress, now: UInt32) -> Int32? {
    var entry = buckets[bucket(of: address)]
    while entry >= 0 {
      if entries[entry].low == address.low && entries[entry].high == address.high {
        entries[entry].lastUse = now
        return entry
      }
      entry = entries[entry].next
    }
    return nil
  }

  /// Makes an entry with an empty set, unless there are too many.
  func insert(_ address: IPAddress, now: UInt32) -> Int32? {
    guard count < CacheExpiry.hardLimit else { return nil }
    let bucket = bucket(of: address)
    let entry = entries.insert(
      Entry(high: address.high, low: address.low, lastUse: now, lastChange: now, next: buckets[bucket]))
    buckets[bucket] = entry
    return entry
  }

  /// Puts a server at the head of the set, unless it is in it.
  func addMember(_ server: ServerNumber, at position: Int, to entry: Int32, now: UInt32) {
    var member = entries[entry].firstMember
    while member >= 0 {
      if members[member].server == server { return }
      member = members[member].next
    }
    let first = entries[entry].firstMember
    entries[entry].firstMember = members.insert(Member(server: server, position: Int32(position), next: first))
    entries[entry].memberCount += 1
    entries[entry].lastChange = now
  }

  func removeMember(_ gone: Int32, from entry: Int32, now: UInt32) {
    let next = members[gone].next
    if entries[entry].firstMember == gone {
      entries[entry].firstMember = next
    } else {
      var member = entries[entry].firstMember
      while members[member].next != gone { member = members[member].next }
      members[member].next = next
    }
    members.release(gone)
    entries[entry].memberCount -= 1
    entries[entry].lastChange = now
  }

  /// Makes `server` the only member of the set.
  func setOnlyMember(_ server: ServerNumber, at position: Int, of entry: Int32) {
    let only = entries[entry].firstMember
    if only >= 0 {
      members[only] = Member(server: server, position: Int32(position), next: -1)
    } else {
      addMember(server, at: position, to: entry, now: entries[entry].lastUse)
    }
  }

  /// Forgets everything.
  func removeAll() {
    for bucket in 0..<buckets.count { buckets[bucket] = -1 }
    entries.removeAll()
    members.removeAll()
    expiry[0] = CacheExpiry(expiration: expiry[0].expiration)
  }

  /// The service's list became this one.
  func follow(_ servers: borrowing ServerList) {
    var positions: [ServerNumber: Int32] = [:]
    for position in 0..<servers.count { positions[servers[position].id] = Int32(truncatingIfNeeded: position) }
    for member in 0..<members.end { members[member].position = positions[members[member].server] ?? -1 }
  }

  /// Forgets what was not used for long, where a minute has passed since the last time.
  func expire(now: UInt32) {
    guard let sweep = expiry[0].sweepDue(now: now, entries: count) else { return }
    var goal = sweep.goal
    for _ in 0..<buckets.count where goal > 0 {
      let bucket = (expiry[0].rover + 1) & (buckets.count - 1)
      expiry[0].rover = bucket
      goal -= forgetUnused(in: bucket, for: sweep.unusedFor, now: now)
    }
  }

  /// Returns how many entries it forgot.
  private func forgetUnused(in bucket: Int, for age: UInt32, now: UInt32) -> Int {
    var (entry, kept, forgotten) = (buckets[bucket], Int32(-1), 0)
    while entry >= 0 {
      let next = entries[entry].next
      // Signed: another worker's batch may have used the entry a little after `now`.
      if Int32(bitPattern: now &- entries[entry].lastUse) < Int32(bitPattern: age) {
        kept = entry
      } else {
        if kept < 0 { buckets[bucket] = next } else { entries[kept].next = next }
        forget(entry)
        forgotten += 1
      }
      entry = next
    }
    return forgotten
  }

  private func forget(_ entry: Int32) {
    var member = entries[entry].firstMember
    while member >= 0 {
      let next = members[member].next
      members.release(member)
      member = next
    }
    entries.release(entry)
  }
}
