import CLinux

/// Which record is found under which key: a hash table that grows and shrinks one bucket at a time.
///
/// Linear hashing: an insertion splits two buckets, so there are twice as many as records, and growth never pauses. The
/// records of a bucket are a list through the records themselves, which belong to the `ConnectionTable`. The hash is
/// keyed, since clients choose what is hashed.
@safe struct ConnectionIndex: ~Copyable {
  private let memory: Mapping
  private let buckets: UnsafeMutablePointer<UInt32>
  /// Buckets in use, and the mask that covers them.
  private(set) var count = Self.smallest
  private var mask = Self.smallest - 1
  /// Buckets that have memory.
  private var resident = Self.smallest
  private let seed: (UInt64, UInt64)

  private static let smallest: UInt32 = 256
  /// With so many, four of five records are the first of their bucket: each further one would be a wait for memory.
  static let bucketsPerRecord = 2
  /// How many splits ahead a bucket's first record is asked for.
  private static let splitsAhead: UInt32 = 8
  /// Buckets are merged where there are so many times more of them than that.
  private static let sparseness = 4
  /// Buckets whose memory is given back at once: half a megabyte.
  private static let segment: UInt32 = 1 << 17
  static let bytesPerRecord = bucketsPerRecord * MemoryLayout<UInt32>.stride

  /// An index of at most `capacity` records; `call` is what is said to have failed, where it does.
  init(capacity: Int, seed: UInt64, call: String) throws(SystemError) {
    let most = max(capacity * Self.bucketsPerRecord, Int(Self.smallest))
    let memory = try Mapping(size: most * MemoryLayout<UInt32>.stride, call: call)
    unsafe buckets = memory.base.bindMemory(to: UInt32.self, capacity: most)
    self.memory = memory
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
    return number < count ? number : number & (mask >> 1)
  }

  /// The first record of a bucket, or 0.
  @inline(__always)
  func first(_ bucket: UInt32) -> UInt32 { unsafe buckets[Int(bucket)] }

  /// Asks for the bucket's line ahead of `first`.
  @inline(__always)
  func prefetch(_ bucket: UInt32) { unsafe cl_prefetch(buckets + Int(bucket)) }

  /// Makes the record the first one under its key.
  @inline(__always)
  func link(_ number: UInt32, _ records: UnsafeMutablePointer<Connection>) {
    let bucket = unsafe Int(bucket(of: records[Int(number)].key))
    unsafe records[Int(number)].next = buckets[bucket]
    unsafe buckets[bucket] = number
  }

  func unlink(_ number: UInt32, _ records: UnsafeMutablePointer<Connection>) {
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

  // MARK: Growing

  /// Has buckets enough for so many records.
  @inline(__always)
  mutating func grow(to records: Int, _ memory: UnsafeMutablePointer<Connection>) {
    while Int(count) < records &* Self.bucketsPerRecord { unsafe split(memory) }
  }

  /// Has buckets enough for so many records, where none is linked.
  mutating func begin(with records: Int) {
    count = max(UInt32(records * Self.bucketsPerRecord), Self.smallest)
    (resident, mask) = (count, UInt32.max >> UInt32((count - 1).leadingZeroBitCount))
  }

  /// Adds one bucket and moves to it what belongs there from the bucket that it halves.
  private mutating func split(_ records: UnsafeMutablePointer<Connection>) {
    let new = count
    if new > mask { mask = mask << 1 | 1 }
    let old = new & (mask >> 1)
    count &+= 1
    // That record will be there when its bucket's turn comes, some insertions later.
    unsafe cl_prefetch(records + Int(first(old &+ Self.splitsAhead)))
    var number = unsafe buckets[Int(old)]
    unsafe buckets[Int(old)] = 0
    unsafe buckets[Int(new)] = 0
    while number != 0 {
      let next = unsafe records[Int(number)].next
      unsafe link(number, records)
      number = next
    }
  }

  // MARK: Shrinking

  /// Merges buckets and gives memory back where there are too many of them for so many records, and takes its steps off
  /// `budget`.
  mutating func shrink(to records: Int, budget: inout Int, _ memory: UnsafeMutablePointer<Connection>) {
    let enough = records * Self.bucketsPerRecord * Self.sparseness
    while budget > 0, count > Self.smallest, Int(count) > enough {
      unsafe merge(memory)
      budget -= 1
    }
    while budget > 0, drop() { budget -= ConnectionTable.pageSteps }
  }

  /// Takes the last bucket away and moves what it has to the bucket that it was split from.
  private mutating func merge(_ records: UnsafeMutablePointer<Connection>) {
    resident = max(resident, count)
    count -= 1
    let (gone, kept) = (Int(count), Int(count & (mask >> 1)))
    if count == mask >> 1 + 1 { mask >>= 1 }
    var last = unsafe buckets[gone]
    guard last != 0 else { return }
    while case let next = unsafe records[Int(last)].next, next != 0 { last = next }
    unsafe records[Int(last)].next = buckets[kept]
    unsafe buckets[kept] = buckets[gone]
  }

  /// Gives memory behind the last bucket back; whether there was enough of it.
  private mutating func drop() -> Bool {
    let start = (max(resident, count) - 1) / Self.segment * Self.segment
    guard start >= count else { return false }
    let size = MemoryLayout<UInt32>.stride
    memory.discard(Int(start) * size..<Int(resident) * size)
    resident = start
    return true
  }
}
