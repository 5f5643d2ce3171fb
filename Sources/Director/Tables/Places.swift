/// Which places of a table have a record, in segments. When one is full, the lowest with room is filled next: so the high
/// ones come to be empty, and their memory can be given back.
///
/// Places are numbered from 1. The free ones of a segment that were used are a list through the records.
struct Places: ~Copyable {
  /// Places of a segment: its records fill whole pages.
  static let segment: UInt32 = 1 << 12
  private static let shift: UInt32 = 12
  /// Empty segments that are kept in any case, and of how many with records one more is kept.
  private static let spare = 4
  private static let kept = 4

  struct Segment: BitwiseCopyable {
    /// The first of the free places that were used; 0 for none.
    var free: UInt32 = 0
    /// The first place that was not used since the memory was last given back, and the end of the places.
    var unused: UInt32 = 0
    var end: UInt32 = 0
    var live: UInt32 = 0

    var isFull: Bool { free == 0 && unused == end }
  }

  /// All but the one that is being filled.
  private let segments: Buffer<Segment>
  private var filling: Segment
  private var number = 0
  /// A bit for each segment that may have room, and one for each word of these that has one.
  private let room: Buffer<UInt64>
  private let rooms: Buffer<UInt64>
  /// Segments of which some place was used, with the one that is being filled, and the number behind the last of them.
  private var held = 1
  private var end = 1
  /// Segments with records, with that one.
  private var occupied = 1

  init(capacity: Int) {
    let count = (capacity >> Int(Self.shift)) + 1
    segments = Buffer(repeating: Segment(), count: count)
    room = Buffer(repeating: 0, count: (count + 63) / 64)
    rooms = Buffer(repeating: 0, count: (room.count + 63) / 64)
    filling = Segment(unused: 1, end: UInt32(min(1 << Int(Self.shift), capacity + 1)))
    for segment in 1..<max(count, 1) {
      segments[segment].unused = Self.start(segment)
      segments[segment].end = UInt32(min((segment + 1) << Int(Self.shift), capacity + 1))
      open(segment)
    }
  }

  /// All places that were used are before this one.
  var bound: UInt32 { end - 1 == number ? filling.end : segments[end - 1].end }

  private static func start(_ segment: Int) -> UInt32 { max(UInt32(segment) << shift, 1) }

  /// Whether there may be records in the segment of a place.
  @inline(__always)
  func mayHaveRecords(_ place: UInt32) -> Bool {
    let segment = Int(place >> Self.shift)
    return segment == number || segments[segment].live != 0
  }

  /// The first place of the segment behind that of a place.
  func next(after place: UInt32) -> UInt32 { (place | (Self.segment - 1)) + 1 }

  // MARK: Places

  /// A place for a record; 0 where all have one.
  @inline(__always)
  mutating func take(_ records: UnsafeMutablePointer<Connection>) -> UInt32 {
    if filling.isFull, !fillNext() { return 0 }
    filling.live &+= 1
    let place = filling.free
    if place != 0 {
      unsafe filling.free = records[Int(place)].next
      return place
    }
    filling.unused &+= 1
    return filling.unused &- 1
  }

  /// Takes a place back.
  mutating func give(_ place: UInt32, _ records: UnsafeMutablePointer<Connection>) {
    let segment = Int(place >> Self.shift)
    if segment == number {
      unsafe records[Int(place)].next = filling.free
      filling.free = place
      filling.live &-= 1
      return
    }
    var changed = segments[segment]
    if changed.isFull { open(segment) }
    unsafe records[Int(place)].next = changed.free
    changed.free = place
    changed.live &-= 1
    if changed.live == 0 { occupied &-= 1 }
    segments[segment] = changed
  }

  private func open(_ segment: Int) {
    room[segment >> 6] |= 1 << UInt64(segment & 63)
    rooms[segment >> 12] |= 1 << UInt64(segment >> 6 & 63)
  }

  private func close(_ segment: Int) {
    room[segment >> 6] &= ~(1 << UInt64(segment & 63))
    if room[segment >> 6] == 0 { rooms[segment >> 12] &= ~(1 << UInt64(segment >> 6 & 63)) }
  }

  /// The lowest of the others that have room.
  private var lowest: Int? {
    guard let word = (0..<rooms.count).first(where: { rooms[$0] != 0 }) else { return nil }
    let at = word << 6 | rooms[word].trailingZeroBitCount
    return at << 6 | room[at].trailingZeroBitCount
  }

  /// Goes on with the lowest segment that has room; whether there is one.
  @inline(never)
  private mutating func fillNext() -> Bool {
    guard let lowest else { return false }
    fill(lowest)
    return true
  }

  private mutating func fill(_ segment: Int) {
    segments[number] = filling
    if !filling.isFull { open(number) }
    if filling.live == 0 { occupied -= 1 }
    (number, filling) = (segment, segments[segment])
    close(number)
    if filling.live == 0 { occupied += 1 }
    if filling.unused == Self.start(number) { held += 1 }
    end = max(end, number + 1)
  }

  /// Whether a place may be the first of a segment that is taken since its memory was given back.
  @inline(__always)
  static func mayBeginSegment(_ place: UInt32) -> Bool { place & (segment - 1) == 0 || place == 1 }

  /// The numbers of the segment that a place is in.
  static func segment(of place: UInt32) -> Range<Int> {
    let start = Int(place & ~(segment - 1))
    return start..<start + Int(segment)
  }

  /// Takes a segment over as an earlier process left it, where nothing has been taken yet.
  ///
  /// - Parameter free: the first place without a record, where the list of them begins; 0 for none.
  mutating func recover(_ segment: Int, live: UInt32, free: UInt32) {
    guard segment != number else {
      (filling.free, filling.unused, filling.live) = (free, filling.end, live)
      return
    }
    let end = segments[segment].end
    segments[segment] = Segment(free: free, unused: end, end: end, live: live)
    if free == 0 { close(segment) }
    held += 1
    if live > 0 { occupied += 1 }
    self.end = max(self.end, segment + 1)
  }

  // MARK: Memory

  private func isHeld(_ segment: Int) -> Bool {
    segment == number || segments[segment].unused != Self.start(segment)
  }

  /// Fills a lower segment from now on, where one has come to have room.
  mutating func fillLowest() {
    if let lowest, lowest < number { fill(lowest) }
  }

  /// The highest segment without records that is held, below a given one: its memory is to be given back, it counts as
  /// never used; nil where not many more are held than have records.
  mutating func dropEmpty(below: Int) -> Int? {
    guard held - occupied > Self.spare + occupied / Self.kept else { return nil }
    let empty = (0..<min(below, end)).last { $0 != number && segments[$0].live == 0 && isHeld($0) }
    guard let empty else { return nil }
    (segments[empty].free, segments[empty].unused) = (0, Self.start(empty))
    held -= 1
    while !isHeld(end - 1) { end -= 1 }
    return empty
  }
}
