import LVS
import Synchronization

/// The established flows that the XDP program forwards by itself (`flows.bpf.h`), in memory that it shares with the
/// workers.
///
/// A worker claims an entry for a connection that it owns, and takes it back; the program counts in it.
@safe final class FlowTable: @unchecked Sendable {
  /// One flow, in one cache line. Laid out as `struct flow`.
  private struct Entry: ~Copyable {
    /// 0: to be forwarded no more.
    let generation = Atomic<UInt32>(0)
    /// 0: nobody's.
    let connection = Atomic<UInt32>(0)
    let high = Atomic<UInt64>(0)
    let low = Atomic<UInt64>(0)
    let ports = Atomic<UInt64>(0)
    /// The server's Ethernet address in the order of the wire, then the worker's number.
    let station = Atomic<UInt64>(0)
    let packets = Atomic<UInt64>(0)
    let bytes = Atomic<UInt64>(0)
    let seen = Atomic<UInt64>(0)
  }

  /// What the program counted in an entry, for the worker that owns it.
  struct Tally {
    var packets: UInt64
    var bytes: UInt64
    /// When the last packet came, in hundredths of a second on the batch clock.
    var seen: UInt32
  }

  /// Entries of a bucket (`WAYS`).
  static let ways = 4
  /// Buckets for so many flows, a power of two.
  static func buckets(for flows: Int) -> Int {
    var buckets = 1
    while buckets * ways < flows { buckets *= 2 }
    return buckets
  }

  /// Bytes of a bucket.
  static let bucketSize = ways * MemoryLayout<Entry>.stride

  private let memory: Mapping
  private let entries: UnsafeMutablePointer<Entry>
  private let mask: UInt32
  let seed: UInt64
  let generation: FlowGeneration

  var count: Int { (Int(mask) + 1) * Self.ways }

  /// - Parameters:
  ///   - memory: of `buckets` buckets, a power of two.
  ///   - publish: tells the program which generation to forward by, 0 for none.
  init(_ memory: consuming Mapping, buckets: Int, seed: UInt64, publish: @escaping @Sendable (UInt32) -> Void) {
    precondition(buckets & (buckets - 1) == 0 && memory.size >= buckets * Self.bucketSize)
    unsafe entries = memory.base.bindMemory(to: Entry.self, capacity: buckets * Self.ways)
    self.memory = memory
    (mask, self.seed) = (UInt32(buckets - 1), seed)
    generation = FlowGeneration(publish)
  }

  // MARK: Entries

  /// As `flow_hash`.
  private func hash(_ key: ConnectionKey) -> UInt32 {
    var hash = (key.low ^ seed) &* 0x9e37_79b9_7f4a_7c15
    hash ^= hash >> 32
    hash = (hash ^ key.high ^ key.ports) &* 0xd6e8_feb8_6659_fd93
    return UInt32(truncatingIfNeeded: hash >> 32)
  }

  /// The entries that a connection could get.
  private func places(_ key: ConnectionKey) -> Range<Int> {
    let first = Int(hash(key) & mask) * Self.ways
    return first..<first + Self.ways
  }

  /// The worker's entry for a connection, where there is one.
  func find(_ key: ConnectionKey, worker: UInt32) -> Int? {
    places(key).first { place in
      let entry = unsafe entries + place
      return unsafe isLive(place, worker: worker) && entry.pointee.ports.load(ordering: .relaxed) == key.ports
        && entry.pointee.low.load(ordering: .relaxed) == key.low
        && entry.pointee.high.load(ordering: .relaxed) == key.high
    }
  }

  /// Claims an entry for a connection; nil where others have all that it could get.
  func claim(_ key: ConnectionKey, connection: ConnectionNumber, worker: UInt32) -> Int? {
    for place in places(key) {
      let entry = unsafe entries + place
      guard
        unsafe entry.pointee.connection.compareExchange(expected: 0, desired: connection.rawValue, ordering: .acquiring)
          .exchanged
      else { continue }
      unsafe entry.pointee.high.store(key.high, ordering: .relaxed)
      unsafe entry.pointee.low.store(key.low, ordering: .relaxed)
      unsafe entry.pointee.ports.store(key.ports, ordering: .relaxed)
      return place
    }
    return nil
  }

  /// One of the worker's own among the entries that a connection could get, that saw no packet since `limit`.
  func idle(_ key: ConnectionKey, worker: UInt32, since limit: UInt32) -> Int? {
    places(key).first { isLive($0, worker: worker) && TimerWheel.reached(ticks($0), by: limit) }
  }

  /// Has the program forward a claimed entry's flow to a server, from now on and while the generation lasts.
  func enter(_ place: Int, to server: MACAddress, worker: UInt32, generation: UInt32, now: UInt32) {
    let entry = unsafe entries + place
    unsafe entry.pointee.generation.store(0, ordering: .relaxed)
    let station = (server.value << 16).byteSwapped | UInt64(worker) << 48
    unsafe entry.pointee.station.store(station, ordering: .releasing)
    unsafe entry.pointee.seen.store(UInt64(now) &* Self.nanoseconds, ordering: .relaxed)
    unsafe entry.pointee.generation.store(generation, ordering: .releasing)
  }

  /// Whether an entry is the worker's and in use.
  func isLive(_ place: Int, worker: UInt32) -> Bool {
    let entry = unsafe entries + place
    return unsafe entry.pointee.generation.load(ordering: .acquiring) != 0
      && UInt32(truncatingIfNeeded: entry.pointee.station.load(ordering: .relaxed) >> 48) == worker
  }

  func connection(_ place: Int) -> ConnectionNumber {
    unsafe ConnectionNumber(rawValue: (entries + place).pointee.connection.load(ordering: .relaxed))
  }

  /// Takes what was counted since the last time; nil where that is nothing.
  func collect(_ place: Int) -> Tally? {
    let entry = unsafe entries + place
    guard unsafe entry.pointee.packets.load(ordering: .relaxed) != 0 else { return nil }
    return unsafe Tally(
      packets: entry.pointee.packets.exchange(0, ordering: .acquiring),
      bytes: entry.pointee.bytes.exchange(0, ordering: .relaxed), seen: ticks(place))
  }

  /// Has the program forward by an entry no more. It may be at it just now: `release` it a tick later.
  func retire(_ place: Int) {
    unsafe (entries + place).pointee.generation.store(0, ordering: .releasing)
  }

  /// Gives an entry to whoever claims it.
  func release(_ place: Int) {
    unsafe (entries + place).pointee.connection.store(0, ordering: .releasing)
  }

  private static let nanoseconds = 1_000_000_000 / UInt64(ticksPerSecond)

  private func ticks(_ place: Int) -> UInt32 {
    unsafe UInt32(truncatingIfNeeded: (entries + place).pointee.seen.load(ordering: .relaxed) / Self.nanoseconds)
  }
}
