import CLinux

/// When to look at which record: for each lane four wheels of 256 slots, of a hundredth of a second, 2.56 s, 11 min and
/// 47 h.
///
/// A connection's end moves with every packet, its place on the wheel does not: what comes up too early is put back.
/// A slot's records are in the order they came, in a ring through the records with the slot as a member, which has the
/// top bit set.
struct TimerWheel: ~Copyable {
  private static let slotMark: UInt32 = 1 << 31
  private static let levels = 4
  /// The slots of a lane: those of the four wheels, then for each wheel what was taken off and is yet to be looked at.
  private static let width = levels * 256 + levels
  private static let aside = levels * 256

  struct Slot: BitwiseCopyable {
    var first: UInt32 = 0
    var last: UInt32 = 0
  }

  private let slots = Buffer<Slot>(repeating: Slot(), count: Lane.count * TimerWheel.width)
  /// The records of each lane but the settled ones.
  private let counts = Buffer<Int>(repeating: 0, count: Lane.count)
  /// A bit for each of those last slots that may have records, the finest wheels' lowest.
  private var pending: UInt32 = 0
  /// The time up to which everything was looked at.
  var clock: UInt32 = 0

  init() {
    for slot in 0..<slots.count { empty(slot) }
  }

  /// Whether `a` is at or before `b`, on a clock that wraps.
  @inline(__always)
  static func reached(_ a: UInt32, by b: UInt32) -> Bool {
    Int32(bitPattern: a &- b) <= 0
  }

  // MARK: Rings

  private func empty(_ slot: Int) {
    slots[slot] = Slot(first: UInt32(slot) | Self.slotMark, last: UInt32(slot) | Self.slotMark)
  }

  private func isEmpty(_ slot: Int) -> Bool { slots[slot].first & Self.slotMark != 0 }

  /// Has one member of a ring follow another.
  @inline(__always)
  private func join(_ member: UInt32, _ next: UInt32, _ records: UnsafeMutablePointer<Connection>) {
    if member & Self.slotMark != 0 {
      slots[Int(member & ~Self.slotMark)].first = next
    } else {
      unsafe records[Int(member)].timerNext = next
    }
    if next & Self.slotMark != 0 {
      slots[Int(next & ~Self.slotMark)].last = member
    } else {
      unsafe records[Int(next)].timerPrevious = member
    }
  }

  // MARK: Records

  /// The slot of a lane for what is due so long from now, at a time.
  @inline(__always)
  private static func place(_ wait: UInt32, at due: UInt32) -> UInt32 {
    if wait < 1 << 8 { return due & 255 }
    if wait < 1 << 16 { return 256 &+ (due >> 8 & 255) }
    if wait < 1 << 24 { return 512 &+ (due >> 16 & 255) }
    return 768 &+ (due >> 24 & 255)
  }

  mutating func schedule(_ number: UInt32, _ records: UnsafeMutablePointer<Connection>) {
    let (due, lane) = unsafe (records[Int(number)].expires, records[Int(number)].lane)
    var wait = Self.reached(due, by: clock) ? 1 : due &- clock
    var base = 0
    if lane != .settled {
      wait = min(wait, lane.round)
      base = Int(lane.rawValue) &* Self.width
      counts[Int(lane.rawValue)] &+= 1
    }
    let slot = base &+ Int(Self.place(wait, at: clock &+ wait))
    var ring = slots[slot]
    unsafe records[Int(number)].timerPrevious = ring.last
    unsafe records[Int(number)].timerNext = UInt32(truncatingIfNeeded: slot) | Self.slotMark
    unsafe records[Int(number)].flags.insert(.timed)
    if ring.last & Self.slotMark != 0 {
      ring.first = number
    } else {
      unsafe records[Int(ring.last)].timerNext = number
    }
    ring.last = number
    slots[slot] = ring
  }

  mutating func cancel(_ number: UInt32, _ records: UnsafeMutablePointer<Connection>) {
    guard unsafe records[Int(number)].flags.contains(.timed) else { return }
    unsafe records[Int(number)].flags.remove(.timed)
    unsafe join(records[Int(number)].timerPrevious, records[Int(number)].timerNext, records)
    let lane = unsafe records[Int(number)].lane
    if lane != .settled { counts[Int(lane.rawValue)] &-= 1 }
  }

  /// See `ConnectionTable.nextExpired`.
  mutating func nextExpired(_ now: UInt32, budget: inout Int, _ records: UnsafeMutablePointer<Connection>) -> UInt32 {
    while true {
      while pending != 0 {
        let aside = Self.aside(of: pending.trailingZeroBitCount)
        while case let number = slots[aside].first, number & Self.slotMark == 0 {
          guard budget > 0 else { return 0 }
          budget -= 1
          unsafe cl_prefetch(records + Int(records[Int(number)].timerNext & ~Self.slotMark))
          unsafe cancel(number, records)
          if unsafe Self.reached(records[Int(number)].expires, by: clock) { return number }
          unsafe schedule(number, records)
        }
        pending &= pending &- 1
      }
      // After a long sleep there are many turns to make up for.
      guard !Self.reached(now, by: clock), budget > 0 else { return 0 }
      budget -= 1
      unsafe turn(records)
    }
  }

  /// The slot for what a wheel's lane was relieved of, by its bit in `pending`.
  private static func aside(of bit: Int) -> Int {
    bit % Lane.count * width + aside + bit / Lane.count
  }

  /// One hundredth of a second on: what is due there, and what a coarser wheel hands down, becomes pending.
  private mutating func turn(_ records: UnsafeMutablePointer<Connection>) {
    clock &+= 1
    for level in 0..<Self.levels {
      let shift = UInt32(8 * level)
      guard clock & (1 << shift - 1) == 0 else { return }
      for lane in 0..<Lane.count where lane == Lane.settled.rawValue || counts[lane] != 0 {
        let slot = lane * Self.width + 256 * level + Int(clock >> shift & 255)
        guard !isEmpty(slot) else { continue }
        let bit = level * Lane.count + lane
        let aside = Self.aside(of: bit)
        unsafe join(slots[aside].last, slots[slot].first, records)
        unsafe join(slots[slot].last, UInt32(aside) | Self.slotMark, records)
        empty(slot)
        pending |= 1 << UInt32(bit)
      }
    }
  }

  // MARK: Lanes

  /// The records of a lane; those of `settled` are not counted.
  func count(_ lane: Lane) -> Int { counts[Int(lane.rawValue)] }

  /// The record of a lane that is to be looked at next, which in a lane with a short round has waited longest; 0 where
  /// there is none.
  func first(of lane: Lane) -> UInt32 {
    guard lane == .settled || count(lane) > 0 else { return 0 }
    let base = Int(lane.rawValue) * Self.width
    for level in 0..<Self.levels where !isEmpty(base + Self.aside + level) {
      return slots[base + Self.aside + level].first
    }
    for level in 0..<Self.levels {
      let now = Int(clock >> UInt32(8 * level) & 255)
      for step in 1...256 {
        let slot = base + 256 * level + (now + step) & 255
        if !isEmpty(slot) { return slots[slot].first }
      }
    }
    return 0
  }

  /// The record behind this one in its slot; 0 where it is the last there.
  func next(after number: UInt32, _ records: UnsafeMutablePointer<Connection>) -> UInt32 {
    let next = unsafe records[Int(number)].timerNext
    return next & Self.slotMark == 0 ? next : 0
  }
}
