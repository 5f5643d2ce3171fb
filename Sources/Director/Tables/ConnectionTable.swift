import CLinux
import LVS
import Synchronization

/// The connections of one worker, or the templates of one service: records with the index that finds them
/// (`ConnectionIndex`), the places that they take (`Places`) and the wheel that tells when they end (`TimerWheel`).
///
/// Records are numbered from 1; 0 stands for none. Who has the table has it alone: a worker, or `PersistenceTable`'s lock.
@safe struct ConnectionTable: ~Copyable, @unchecked Sendable {
  private let memory: Mapping
  private let records: UnsafeMutablePointer<Connection>
  private var index: ConnectionIndex
  private var places: Places
  private var wheel = TimerWheel()

  private(set) var count = 0
  let capacity: Int

  /// The memory of a record, all included.
  static let bytesPerRecord = MemoryLayout<Connection>.stride + ConnectionIndex.bytesPerRecord
  /// What giving a page back counts as, in steps of `shrink`.
  static let pageSteps = 1 << 9

  /// A table for at most `capacity` records, memory for which is taken as it is used.
  ///
  /// - Parameters:
  ///   - option: of `lbd`, which says how many there are.
  ///   - state: where the records are kept, under this name; nil where they go with the process.
  init(
    capacity: Int, seed: UInt64, option: String = "--connections", in state: StateDirectory? = nil, _ name: String = ""
  ) throws(SystemError) {
    let capacity = min(max(capacity, 1), 1 << 30)
    let call = "mmap for \(capacity) records (fewer of them: lbd \(option))"
    let memory = try state.map(name, size: Self.size(for: capacity), call: call)
    let index = try ConnectionIndex(capacity: capacity, seed: seed, call: call)
    unsafe records = memory.base.bindMemory(to: Connection.self, capacity: capacity + 1)
    self.memory = memory
    self.index = index
    self.capacity = capacity
    places = Places(capacity: capacity)
    secure(0)
  }

  /// Bytes of so many records.
  static func size(for capacity: Int) -> Int { (capacity + 1) * MemoryLayout<Connection>.stride }

  /// Where a key is to be looked for now: after an insertion it may be elsewhere, and is not found here any more.
  @inline(__always)
  func bucket(of key: ConnectionKey) -> UInt32 { index.bucket(of: key) }

  /// Asks for the bucket's line ahead of `find`.
  @inline(__always)
  func prefetchBucket(_ bucket: UInt32) { index.prefetch(bucket) }

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
    unsafe records + Int(index.first(bucket))
  }

  @inline(__always)
  private func prefetch(_ record: UnsafeMutablePointer<Connection>) {
    unsafe cl_prefetch(record)
    unsafe cl_prefetch(UnsafeRawPointer(record) + MemoryLayout<Connection>.size - 1)
  }

  @inline(__always)
  subscript(number: ConnectionNumber) -> Connection {
    get {
      precondition(number != 0 && Int(number) <= capacity)
      return unsafe records[Int(number)]
    }
    nonmutating _modify {
      precondition(number != 0 && Int(number) <= capacity)
      yield unsafe &records[Int(number)]
    }
  }

  /// The record with this key, or 0.
  @inline(__always)
  func find(_ key: ConnectionKey) -> ConnectionNumber { find(key, in: bucket(of: key)) }

  /// The record with this key where it is in this bucket, or 0.
  @inline(__always)
  func find(_ key: ConnectionKey, in bucket: UInt32) -> ConnectionNumber {
    var number = index.first(bucket)
    while number != 0 {
      let record = unsafe records + Int(number)
      if unsafe record.pointee.low == key.low && record.pointee.ports == key.ports && record.pointee.high == key.high {
        return ConnectionNumber(rawValue: number)
      }
      number = unsafe record.pointee.next
    }
    return 0
  }

  /// A new record that is linked under its key, not yet timed; 0 where the table is full.
  mutating func insert(_ key: ConnectionKey) -> ConnectionNumber {
    let number = unsafe places.take(records)
    guard number != 0 else { return 0 }
    if Places.mayBeginSegment(number) { secure(number) }
    count &+= 1
    unsafe index.grow(to: count, records)
    unsafe records[Int(number)] = Connection(key)
    unsafe index.link(number, records)
    return ConnectionNumber(rawValue: number)
  }

  /// Has the memory of a place's segment be there.
  @inline(never)
  private func secure(_ number: UInt32) {
    let numbers = Places.segment(of: number)
    let size = MemoryLayout<Connection>.stride
    memory.secure(numbers.lowerBound * size..<min(numbers.upperBound * size, memory.size))
  }

  /// Removes a record and forgets it.
  mutating func remove(_ number: ConnectionNumber) {
    unsafe records[Int(number)].flags.remove(.whole)
    atomicMemoryFence(ordering: .releasing)
    unsafe index.unlink(number.rawValue, records)
    unsafe wheel.cancel(number.rawValue, records)
    unsafe places.give(number.rawValue, records)
    count -= 1
  }

  /// Moves a record under another key.
  mutating func rekey(_ number: ConnectionNumber, to key: ConnectionKey) {
    unsafe index.unlink(number.rawValue, records)
    unsafe records[Int(number)].high = key.high
    unsafe records[Int(number)].low = key.low
    unsafe records[Int(number)].ports = key.ports
    unsafe index.link(number.rawValue, records)
  }

  /// Has the record looked at when it expires, at the end of its lane or of another one. Put off `expires` afterwards
  /// as often as you like. The first time it is whole: whatever else is to stand in it stands there.
  mutating func time(_ number: ConnectionNumber, expires: UInt32, lane: Lane? = nil) {
    if unsafe records[Int(number)].flags.contains(.timed) { unsafe wheel.cancel(number.rawValue, records) }
    unsafe records[Int(number)].expires = expires
    if let lane { unsafe records[Int(number)].lane = lane }
    unsafe wheel.schedule(number.rawValue, records)
    guard unsafe !records[Int(number)].flags.contains(.whole) else { return }
    unsafe records[Int(number)].seal = records[Int(number)].sealed
    atomicMemoryFence(ordering: .releasing)
    unsafe records[Int(number)].flags.insert(.whole)
  }

  /// The next record whose time has come, off the wheel but still in the table; 0 when there is none or the wheel has
  /// turned and records have been looked at `budget` times.
  mutating func nextExpired(_ now: UInt32, budget: inout Int) -> ConnectionNumber {
    unsafe ConnectionNumber(rawValue: wheel.nextExpired(now, budget: &budget, records))
  }

  /// Has time begin, where there are no records yet that have their places in it.
  mutating func startClock(_ now: UInt32) {
    if count == 0 { wheel.clock = now }
  }

  // MARK: Lanes

  /// See `TimerWheel.count(_:)`.
  func count(_ lane: Lane) -> Int { wheel.count(lane) }

  /// See `TimerWheel.first(of:)`.
  func first(of lane: Lane) -> ConnectionNumber { ConnectionNumber(rawValue: wheel.first(of: lane)) }

  /// See `TimerWheel.next(after:)`.
  func next(after number: ConnectionNumber) -> ConnectionNumber {
    unsafe ConnectionNumber(rawValue: wheel.next(after: number.rawValue, records))
  }

  // MARK: All of them

  /// Buckets that the index has.
  var bucketCount: UInt32 { index.count }

  /// Records have numbers below this one.
  var bound: UInt32 { places.bound }

  func isLive(_ number: ConnectionNumber) -> Bool {
    unsafe number != 0 && number.rawValue < bound && places.mayHaveRecords(number.rawValue)
      && records[Int(number)].flags.contains(.timed)
  }

  /// Visits the records with numbers from `start` on, at most `limit` places; where to go on, or 0 at the end.
  func visit(from start: UInt32, limit: UInt32, _ body: (ConnectionNumber, Connection) -> Void) -> UInt32 {
    let end = bound
    var (number, left) = (max(start, 1), limit)
    while number < end, left > 0 {
      left -= 1
      if !places.mayHaveRecords(number) {
        number = places.next(after: number)
        continue
      }
      if unsafe records[Int(number)].flags.contains(.timed) {
        unsafe body(ConnectionNumber(rawValue: number), records[Int(number)])
      }
      number += 1
    }
    return number < end ? number : 0
  }

  /// Copies of the records with numbers from `start` on, of at most `limit` places; where to go on, or 0 at the end.
  func slice(from start: UInt32, limit: UInt32) -> ([Connection], next: UInt32) {
    var records: [Connection] = []
    records.reserveCapacity(min(Int(limit), count))
    let next = visit(from: start, limit: limit) { records.append($1) }
    return (records, next)
  }

  // MARK: Recovery

  /// Takes over the records that an earlier process left in the memory of an empty table, and forgets all others.
  ///
  /// Nothing there is believed: `judge` is called with each record that was written whole, makes of it what may be, or
  /// says that it is none. What finds records, and says when they end, is made anew.
  ///
  /// - Returns: how many that seemed whole were none.
  mutating func recover(_ now: UInt32, _ judge: (inout Connection) -> Bool) -> Int {
    precondition(count == 0, "the table has records of its own")
    wheel.clock = now
    let size = Int(Places.segment) * MemoryLayout<Connection>.stride
    let segments = Set(memory.written.flatMap { $0.lowerBound / size...($0.upperBound - 1) / size }).sorted()
    let most = min(segments.count * Int(Places.segment), capacity)
    index.begin(with: most)
    return segments.reduce(0) { $0 + recover($1, judge) }
  }

  private mutating func recover(_ segment: Int, _ judge: (inout Connection) -> Bool) -> Int {
    let first = max(UInt32(segment) * Places.segment, 1)
    secure(first)
    var (live, free, refused): (UInt32, UInt32, Int) = (0, 0, 0)
    for number in (first..<min(first / Places.segment * Places.segment + Places.segment, UInt32(capacity) + 1))
      .reversed()
    {
      if restore(number, judge) {
        live += 1
      } else {
        if unsafe records[Int(number)].flags.contains(.whole) { refused += 1 }
        unsafe records[Int(number)] = Connection()
        unsafe records[Int(number)].next = free
        free = number
      }
    }
    count += Int(live)
    places.recover(segment, live: live, free: free)
    return refused
  }

  /// Puts a record back into the index and onto the wheel; whether it may be.
  private mutating func restore(_ number: UInt32, _ judge: (inout Connection) -> Bool) -> Bool {
    // Not every byte is a lane, so that one is looked at before the record is taken for one.
    let lane = unsafe UnsafeRawPointer(records + Int(number)).load(fromByteOffset: Connection.lanePlace, as: UInt8.self)
    guard lane < Lane.count, unsafe records[Int(number)].flags.contains(.whole),
      unsafe records[Int(number)].seal == records[Int(number)].sealed
    else { return false }
    var record = unsafe records[Int(number)]
    guard judge(&record) else { return false }
    record.flags.remove([.timed, .offloaded])
    unsafe records[Int(number)] = record
    unsafe index.link(number, records)
    unsafe wheel.schedule(number, records)
    return true
  }

  // MARK: Memory

  /// Gives memory back where most records are gone, in about `limit` steps of some nanoseconds; whether there is more.
  ///
  /// Not to be called between the two passes over a batch.
  mutating func shrink(limit: Int) -> Bool {
    var left = limit
    unsafe index.shrink(to: count, budget: &left, records)
    if left > 0 { places.fillLowest() }
    var segment = Int.max
    while left > 0, let empty = places.dropEmpty(below: segment) {
      segment = empty
      let size = Int(Places.segment) * MemoryLayout<Connection>.stride
      memory.discard(segment * size..<(segment + 1) * size)
      left -= Self.pageSteps
    }
    return left <= 0
  }
}
