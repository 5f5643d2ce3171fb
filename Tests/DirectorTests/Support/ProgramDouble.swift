import LVS
import Synchronization

@testable import Director

/// The table of flows as the XDP program has it (`struct flow` of `flows.bpf.h`), byte by byte, and what the program
/// does with it.
final class ProgramDouble: Sendable {
  private static let (generation, connection, high, low, ports, station) = (0, 4, 8, 16, 24, 32)
  private static let (packets, bytes, seen, length) = (40, 48, 56, 64)

  let flows: FlowTable
  private let memory: Int
  private let count: Int
  private let published = Mutex<UInt32>(0)

  /// - Parameter isBegun: whether there is a generation already.
  init(flows capacity: Int, isBegun: Bool = true) throws {
    let buckets = FlowTable.buckets(for: capacity)
    let mapping = try Mapping(size: buckets * FlowTable.bucketSize)
    (memory, count) = unsafe (Int(bitPattern: mapping.base), buckets * FlowTable.ways)
    let hook = Hook()
    flows = FlowTable(mapping, buckets: buckets, seed: 7) { hook.call($0) }
    hook.set { [weak self] generation in self?.published.withLock { $0 = generation } }
    if isBegun { flows.generation.renew() }
  }

  /// Nothing is known of the program before there is one.
  private final class Hook: Sendable {
    private let body = Mutex<@Sendable (UInt32) -> Void>({ _ in })
    func set(_ body: @escaping @Sendable (UInt32) -> Void) { self.body.withLock { $0 = body } }
    func call(_ generation: UInt32) { body.withLock { $0 }(generation) }
  }

  private func place(_ number: Int) -> UnsafeMutableRawPointer {
    guard let base = unsafe UnsafeMutableRawPointer(bitPattern: memory) else { preconditionFailure("no memory") }
    return unsafe base + number * Self.length
  }

  private func read<T: BitwiseCopyable>(_ number: Int, _ field: Int, as type: T.Type) -> T {
    unsafe place(number).load(fromByteOffset: field, as: type)
  }

  /// The station that a packet goes to; nil where the director is to see it.
  func forward(_ key: ConnectionKey, length: UInt64 = 60, now: UInt32) -> MACAddress? {
    let current = published.withLock { $0 }
    guard current != 0, let number = (0..<count).first(where: { isEntry($0, key, current) }) else { return nil }
    unsafe place(number).storeBytes(
      of: read(number, Self.packets, as: UInt64.self) + 1, toByteOffset: Self.packets, as: UInt64.self)
    unsafe place(number).storeBytes(
      of: read(number, Self.bytes, as: UInt64.self) + length, toByteOffset: Self.bytes, as: UInt64.self)
    unsafe place(number).storeBytes(of: UInt64(now) * 10_000_000, toByteOffset: Self.seen, as: UInt64.self)
    let bytes = (0..<6).map { read(number, Self.station + $0, as: UInt8.self) }
    return MACAddress(bytes.reduce(0) { $0 << 8 | UInt64($1) })
  }

  private func isEntry(_ number: Int, _ key: ConnectionKey, _ current: UInt32) -> Bool {
    read(number, Self.generation, as: UInt32.self) == current && read(number, Self.ports, as: UInt64.self) == key.ports
      && read(number, Self.low, as: UInt64.self) == key.low && read(number, Self.high, as: UInt64.self) == key.high
  }

  /// Entries that somebody has.
  var claimed: Int { (0..<count).count { read($0, Self.connection, as: UInt32.self) != 0 } }
}
