/// When to look at which connection: four wheels of 256 slots, of a hundredth of a second, 2.56 s, 11 min and 47 h.
///
/// A connection's end moves with every packet, its place on the wheel does not: what comes up too early is put back.
/// Lists are doubly linked through the records; a first record's `timerPrevious` names its slot, with the top bit set.
struct TimerWheel: ~Copyable {
  private static let slotMark: UInt32 = 1 << 31

  /// The slots of the four wheels, then one list for each of what was taken off its slot and not yet looked at.
  private let heads = Buffer<UInt32>(repeating: 0, count: 4 * 256 + 4)
  private static let pending = 4 * 256
  /// The time up to which everything was looked at.
  var clock: UInt32 = 0

  /// Whether `a` is at or before `b`, on a clock that wraps.
  @inline(__always)
  static func reached(_ a: UInt32, by b: UInt32) -> Bool {
    Int32(bitPattern: a &- b) <= 0
  }

  mutating func schedule(_ number: UInt32, _ records: UnsafeMutablePointer<Connection>) {
    let due = unsafe records[Int(number)].expires
    let wait = Self.reached(due, by: clock) ? 1 : due &- clock
    let at = clock &+ wait
    let slot: UInt32 =
      wait < 1 << 8
      ? at & 255
      : wait < 1 << 16
        ? 256 + (at >> 8 & 255)
        : wait < 1 << 24 ? 512 + (at >> 16 & 255) : 768 + (at >> 24 & 255)
    let first = heads[Int(slot)]
    unsafe records[Int(number)].timerNext = first
    unsafe records[Int(number)].timerPrevious = slot | Self.slotMark
    unsafe records[Int(number)].flags.insert(.timed)
    if first != 0 { unsafe records[Int(first)].timerPrevious = number }
    heads[Int(slot)] = number
  }

  mutating func cancel(_ number: UInt32, _ records: UnsafeMutablePointer<Connection>) {
    guard unsafe records[Int(number)].flags.contains(.timed) else { return }
    let record = unsafe records[Int(number)]
    unsafe records[Int(number)].flags.remove(.timed)
    if record.timerNext != 0 { unsafe records[Int(record.timerNext)].timerPrevious = record.timerPrevious }
    if record.timerPrevious & Self.slotMark != 0 {
      heads[Int(record.timerPrevious & ~Self.slotMark)] = record.timerNext
    } else {
      unsafe records[Int(record.timerPrevious)].timerNext = record.timerNext
    }
  }

  /// See `ConnectionTable.nextExpired`.
  mutating func nextExpired(_ now: UInt32, budget: inout Int, _ records: UnsafeMutablePointer<Connection>) -> UInt32 {
    while true {
      for level in 0..<4 {
        while heads[Self.pending + level] != 0 {
          guard budget > 0 else { return 0 }
          budget -= 1
          let number = heads[Self.pending + level]
          unsafe cancel(number, records)
          if unsafe Self.reached(records[Int(number)].expires, by: clock) { return number }
          unsafe schedule(number, records)
        }
      }
      // After a long sleep there are many turns to make up for.
      guard !Self.reached(now, by: clock), budget > 0 else { return 0 }
      budget -= 1
      unsafe turn(records)
    }
  }

  /// One hundredth of a second on: what is due there, and what a coarser wheel hands down, becomes pending.
  private mutating func turn(_ records: UnsafeMutablePointer<Connection>) {
    clock &+= 1
    for level in 0..<4 {
      let shift = UInt32(8 * level)
      guard clock & (1 << shift - 1) == 0 else { return }
      let slot = 256 * level + Int(clock >> shift & 255)
      let first = heads[slot]
      heads[slot] = 0
      heads[Self.pending + level] = first
      if first != 0 { unsafe records[Int(first)].timerPrevious = UInt32(Self.pending + level) | Self.slotMark }
    }
  }
}
