import CLinux
import LVS

/// The connections of one worker, or the templates of one service: a hash table that grows one bucket at a time.
///
/// Linear hashing: an insertion splits two buckets, so there are twice as many as records, and growth never pauses.
/// Records are numbered from 1; 0 stands for none. The hash is keyed, since clients choose what is hashed.
@safe struct ConnectionTable: ~Copyable, @unchecked Sendable {
  private let memory: Mapping
  private let index: Mapping
  private let records: UnsafeMutablePointer<Connection>
  private let buckets: UnsafeMutablePointer<UInt32>
  /// Buckets in use, and the mask that covers them.
  private var bucketCount: UInt32
  private var mask: UInt32
  private var free: UInt32 = 0
  private var touched: UInt32 = 0
  private let seed: (UInt64, UInt64)
  private(set) var wheel = TimerWheel()

  private(set) var count = 0
  let capacity: Int

  static let smallest: UInt32 = 256
  /// With so many, four of five records are the first of their bucket: each further one would be a wait for memory.
  static let bucketsPerRecord = 2
  /// The memory of a record, all included.
  static let octetsPerRecord = MemoryLayout<Connection>.stride + bucketsPerRecord * MemoryLayout<UInt32>.stride

  /// A table for at most `capacity` records, memory for which is taken as it is used.
  init(capacity: Int, seed: UInt64) throws(SystemError) {
    let capacity = min(max(capacity, 1), 1 << 30)
    let indexed = max(capacity * Self.bucketsPerRecord, Int(Self.smallest))
    let memory = try Mapping(size: (capacity + 1) * MemoryLayout<Connection>.stride)
    let index = try Mapping(size: indexed * MemoryLayout<UInt32>.stride)
    unsafe records = memory.base.bindMemory(to: Connection.self, capacity: capacity + 1)
    unsafe buckets = index.base.bindMemory(to: UInt32.self, capacity: indexed)
    self.memory = memory
    self.index = index
    self.capacity = capacity
    bucketCount = Self.smallest
    mask = Self.smallest - 1
    self.seed = (seed ^ 0xa076_1d64_78bd_642f, seed &* 0xe703_7ed1_a0b4_28db | 1)
  }

  @inline(__always)
  private func hash(_ key: ConnectionKey) -> UInt32 {
    let first = (key.low ^ seed.0).multipliedFullWidth(by: key.ports ^ seed.1)
    let second = (first.low ^ first.high ^ key.high).multipliedFullWidth(by: seed.1)
    return UInt32(truncatingIfNeeded: second.low ^ second.high)
  }

  /// Where a key is to be looked for now: after an insertion it may be elsewhere, and is not found here any more.
  @inline(__always)
  func bucket(of key: ConnectionKey) -> UInt32 {
    let number = hash(key) & mask
    return number < bucketCount ? number : number & (mask >> 1)
  }

  /// Asks for the bucket's line ahead of `find`.
  @inline(__always)
  func prefetchBucket(_ bucket: UInt32) {
    unsafe cl_prefetch(buckets + Int(bucket))
  }

  /// Asks for the first record, once its bucket is there.
  @inline(__always)
  func prefetchRecord(_ bucket: UInt32) {
    unsafe prefetch(first(bucket))
  }

  /// Asks for the second record where the first one, once it is there, is not the one with this key.
  @inline(__always)
  func prefetchFollower(_ key: ConnectionKey, _ bucket: UInt32) {
    let first = unsafe first(bucket)
    guard unsafe first.pointee.low != key.low || first.pointee.ports != key.ports else { return }
    unsafe prefetch(records + Int(first.pointee.next))
  }

  @inline(__always)
  private func first(_ bucket: UInt32) -> UnsafeMutablePointer<Connection> {
    unsafe records + Int(buckets[Int(bucket)])
  }

  @inline(__always)
  private func prefetch(_ record: UnsafeMutablePointer<Connection>) {
    unsafe cl_prefetch(record)
    unsafe cl_prefetch(UnsafeRawPointer(record) + MemoryLayout<Connection>.size - 1)
  }

  @inline(__always)
  subscript(number: UInt32) -> Connection {
    get {
      precondition(number != 0 && number <= touched)
      return unsafe records[Int(number)]
    }
    nonmutating _modify {
      precondition(number != 0 && number <= touched)
      yield unsafe &records[Int(number)]
    }
  }

  /// The record with this key, or 0.
  @inline(__always)
  func find(_ key: ConnectionKey) -> UInt32 { find(key, in: bucket(of: key)) }

  /// The record with this key where it is in this bucket, or 0.
  @inline(__always)
  func find(_ key: ConnectionKey, in bucket: UInt32) -> UInt32 {
    var number = unsafe buckets[Int(bucket)]
    while number != 0 {
      let record = unsafe records + Int(number)
      if unsafe record.pointee.low == key.low && record.pointee.ports == key.ports && record.pointee.high == key.high {
        return number
      }
      number = unsafe record.pointee.next
    }
    return 0
  }

  /// A new record that is linked under its key, not yet timed; 0 where the table is full.
  mutating func insert(_ key: ConnectionKey) -> UInt32 {
    guard let number = take() else { return 0 }
    while Int(bucketCount) < count * Self.bucketsPerRecord { split() }
    let bucket = Int(bucket(of: key))
    unsafe records[Int(number)] = Connection(high: key.high, low: key.low, ports: key.ports, next: buckets[bucket])
    unsafe buckets[bucket] = number
    return number
  }

  /// Removes a record and forgets it.
  mutating func remove(_ number: UInt32) {
    unlink(number)
    unsafe wheel.cancel(number, records)
    unsafe records[Int(number)].next = free
    free = number
    count -= 1
  }

  /// Moves a record under another key.
  mutating func rekey(_ number: UInt32, to key: ConnectionKey) {
    unlink(number)
    let bucket = Int(bucket(of: key))
    unsafe records[Int(number)].high = key.high
    unsafe records[Int(number)].low = key.low
    unsafe records[Int(number)].ports = key.ports
    unsafe records[Int(number)].next = buckets[bucket]
    unsafe buckets[bucket] = number
  }

  /// Has the record looked at when it expires. Put off `expires` afterwards as often as you like.
  mutating func time(_ number: UInt32, expires: UInt32) {
    unsafe records[Int(number)].expires = expires
    unsafe wheel.cancel(number, records)
    unsafe wheel.schedule(number, records)
  }

  /// The next record whose time has come, off the wheel but still in the table; 0 when there is none or the wheel has
  /// turned and records have been looked at `budget` times.
  mutating func nextExpired(_ now: UInt32, budget: inout Int) -> UInt32 {
    unsafe wheel.nextExpired(now, budget: &budget, records)
  }

  mutating func startClock(_ now: UInt32) {
    wheel.clock = now
  }

  /// Places of records that were ever used.
  var places: UInt32 { touched }

  func isLive(_ number: UInt32) -> Bool {
    unsafe number != 0 && number <= touched && records[Int(number)].flags.contains(.timed)
  }

  /// Visits the records with numbers from `start` on, at most `limit` places; where to go on, or 0 at the end.
  func visit(from start: UInt32, limit: UInt32, _ body: (UInt32, Connection) -> Void) -> UInt32 {
    var number = max(start, 1)
    let end = min(UInt64(touched), UInt64(number) + UInt64(limit) - 1)
    while UInt64(number) <= end {
      if unsafe records[Int(number)].flags.contains(.timed) { unsafe body(number, records[Int(number)]) }
      number += 1
    }
    return end == UInt64(touched) ? 0 : number
  }

  /// Copies of the records with numbers from `start` on, of at most `limit` places; where to go on, or 0 at the end.
  func slice(from start: UInt32, limit: UInt32) -> ([Connection], next: UInt32) {
    var records: [Connection] = []
    records.reserveCapacity(Int(min(limit, touched &- min(max(start, 1), touched) &+ 1)))
    let next = visit(from: start, limit: limit) { records.append($1) }
    return (records, next)
  }

  private mutating func take() -> UInt32? {
    if free != 0 {
      let number = free
      free = unsafe records[Int(number)].next
      count += 1
      return number
    }
    guard Int(touched) < capacity else { return nil }
    touched += 1
    count += 1
    return touched
  }

  private func unlink(_ number: UInt32) {
    let record = unsafe records[Int(number)]
    let bucket = Int(bucket(of: record.key))
    if unsafe buckets[bucket] == number {
      unsafe buckets[bucket] = record.next
      return
    }
    var at = unsafe buckets[bucket]
    while at != 0 {
      if unsafe records[Int(at)].next == number {
        unsafe records[Int(at)].next = record.next
        return
      }
      at = unsafe records[Int(at)].next
    }
  }

  /// Adds one bucket and moves to it what belongs there from the bucket that it halves.
  private mutating func split() {
    let new = bucketCount
    if new > mask { mask = mask << 1 | 1 }
    let old = new & (mask >> 1)
    bucketCount += 1
    var number = unsafe buckets[Int(old)]
    unsafe buckets[Int(old)] = 0
    unsafe buckets[Int(new)] = 0
    while number != 0 {
      let record = unsafe records[Int(number)]
      let bucket = Int(bucket(of: record.key))
      unsafe records[Int(number)].next = buckets[bucket]
      unsafe buckets[bucket] = number
      number = record.next
    }
  }
}
