import LVS

/// A frame, or a part of one, in memory that a port has lent: integers in network order at checked offsets.
///
/// Parsers compare `count` with what a format needs once, before they read; the check in every access is the second
/// line of defense, a trap instead of a stray write. A `Bytes` must not outlive the loan.
@safe struct Bytes {
  private let base: UnsafeMutableRawPointer
  /// What may be read and written.
  let count: Int
  /// What `resized` may extend it to.
  let capacity: Int

  @inline(__always)
  init(_ base: UnsafeMutableRawPointer, count: Int, capacity: Int) {
    unsafe self.base = base
    self.count = count
    self.capacity = capacity
  }

  @inline(__always)
  private func check(_ offset: Int, _ length: Int) {
    precondition(offset >= 0 && offset &+ length <= count, "access outside of a frame")
  }

  @inline(__always)
  func u8(_ offset: Int) -> UInt8 {
    check(offset, 1)
    return unsafe base.load(fromByteOffset: offset, as: UInt8.self)
  }

  @inline(__always)
  func u16(_ offset: Int) -> UInt16 {
    check(offset, 2)
    return unsafe UInt16(bigEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  @inline(__always)
  func u32(_ offset: Int) -> UInt32 {
    check(offset, 4)
    return unsafe UInt32(bigEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  @inline(__always)
  func u64(_ offset: Int) -> UInt64 {
    check(offset, 8)
    return unsafe UInt64(bigEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  /// Two bytes in the machine's order, as the kernel has them in its own structures.
  @inline(__always)
  func native16(_ offset: Int) -> UInt16 {
    check(offset, 2)
    return unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
  }

  @inline(__always)
  func setNative(_ offset: Int, _ value: UInt16) {
    check(offset, 2)
    unsafe base.storeBytes(of: value, toByteOffset: offset, as: UInt16.self)
  }

  @inline(__always)
  func set(_ offset: Int, _ value: UInt8) {
    check(offset, 1)
    unsafe base.storeBytes(of: value, toByteOffset: offset, as: UInt8.self)
  }

  @inline(__always)
  func set(_ offset: Int, _ value: UInt16) {
    check(offset, 2)
    unsafe base.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
  }

  @inline(__always)
  func set(_ offset: Int, _ value: UInt32) {
    check(offset, 4)
    unsafe base.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)
  }

  @inline(__always)
  func set(_ offset: Int, _ value: UInt64) {
    check(offset, 8)
    unsafe base.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt64.self)
  }

  /// The ones' complement sum of `words` words of 32 bits in this machine's order, which folds to the sum in network
  /// order with its bytes exchanged (RFC 1071): what is all ones in one is so in the other.
  @inline(__always)
  func sum(_ offset: Int, words: Int) -> UInt64 {
    check(offset, words &* 4)
    var total: UInt64 = 0
    for word in 0..<words {
      total &+= UInt64(unsafe base.loadUnaligned(fromByteOffset: offset &+ word &* 4, as: UInt32.self))
    }
    return total
  }

  /// The six bytes at `offset`.
  @inline(__always)
  func mac(_ offset: Int) -> MACAddress {
    MACAddress(UInt64(u16(offset)) << 32 | UInt64(u32(offset &+ 2)))
  }

  @inline(__always)
  func set(_ offset: Int, _ mac: MACAddress) {
    set(offset, UInt16(truncatingIfNeeded: mac.value >> 32))
    set(offset &+ 2, UInt32(truncatingIfNeeded: mac.value))
  }

  @inline(__always)
  func address(_ offset: Int, _ family: IPAddress.Family) -> IPAddress {
    family == .v4 ? IPAddress(v4: u32(offset)) : IPAddress(v6: u64(offset), u64(offset &+ 8))
  }

  @inline(__always)
  func set(_ offset: Int, _ address: IPAddress) {
    if address.family == .v4 {
      set(offset, address.v4)
    } else {
      set(offset, address.high)
      set(offset &+ 8, address.low)
    }
  }

  /// Another length of the same memory; nil where it has not that much.
  @inline(__always)
  func resized(to length: Int) -> Bytes? {
    guard length >= 0, length <= capacity else { return nil }
    return unsafe Bytes(base, count: length, capacity: capacity)
  }

  /// What follows the first `offset` bytes.
  @inline(__always)
  func dropping(_ offset: Int) -> Bytes {
    check(offset, 0)
    return unsafe Bytes(base + offset, count: count &- offset, capacity: capacity &- offset)
  }

  /// The same with `length` bytes more before it, which the caller knows to be the same frame's memory.
  @inline(__always)
  func extendedForward(_ length: Int) -> Bytes {
    unsafe Bytes(base - length, count: count &+ length, capacity: capacity &+ length)
  }

  /// Bytes from `start` to the first.
  @inline(__always)
  func distance(from start: UnsafeMutableRawPointer) -> Int { unsafe base - start }

  /// Moves `length` bytes within the frame; the ranges may overlap.
  func move(from: Int, to: Int, length: Int) {
    check(from, length)
    check(to, length)
    unsafe (base + to).copyMemory(from: base + from, byteCount: length)
  }

  func zero(_ offset: Int, length: Int) {
    check(offset, length)
    unsafe (base + offset).initializeMemory(as: UInt8.self, repeating: 0, count: length)
  }

  func copy(from other: Bytes) {
    check(0, other.count)
    unsafe base.copyMemory(from: other.base, byteCount: other.count)
  }

  func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    unsafe body(UnsafeRawBufferPointer(start: base, count: count))
  }

  /// A copy that outlives the loan.
  var array: [UInt8] {
    unsafe Array(UnsafeRawBufferPointer(start: base, count: count))
  }
}

extension [UInt8] {
  /// Lends the array's bytes, with `room` more behind them, and keeps what `body` made of them: its result's length
  /// cuts or extends the array.
  mutating func lend<Result>(room: Int = 0, _ body: (Bytes) -> (Result, length: Int)) -> Result {
    let length = count
    // One byte more, so that there always is an address to lend.
    append(contentsOf: repeatElement(0, count: room + 1))
    let (result, kept) = unsafe withUnsafeMutableBytes { raw in
      guard let base = raw.baseAddress else { preconditionFailure("an array with elements has an address") }
      return unsafe body(Bytes(base, count: length, capacity: length + room))
    }
    removeLast(count - Swift.min(kept, length + room))
    return result
  }
}
