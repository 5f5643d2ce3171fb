/// Records of one kind that come and go, each with a number that stays its own until it is released.
///
/// What changes lies behind a pointer, as in `Buffer`: a slab in a class is a constant, and its use needs no check
/// for overlapping access.
@safe struct Slab<Record: BitwiseCopyable>: ~Copyable {
  private struct Place: BitwiseCopyable {
    var record: Record
    /// The next place that was released; -1 is none.
    var nextReleased: Int32
  }

  @unsafe private struct State {
    var places: UnsafeMutablePointer<Place>
    var capacity: Int
    var end = 0
    var count = 0
    var firstReleased: Int32 = -1
  }

  private let state: UnsafeMutablePointer<State>

  init() {
    let capacity = 16
    unsafe state = .allocate(capacity: 1)
    unsafe state.initialize(to: State(places: .allocate(capacity: capacity), capacity: capacity))
  }

  deinit {
    unsafe state.pointee.places.deallocate()
    unsafe state.deallocate()
  }

  /// The number of live records.
  var count: Int { unsafe state.pointee.count }

  /// All numbers that are or were given out are below this one.
  var end: Int32 { unsafe Int32(state.pointee.end) }

  @inline(__always)
  subscript(number: Int32) -> Record {
    get {
      precondition(number >= 0 && number < end)
      return unsafe state.pointee.places[Int(number)].record
    }
    nonmutating _modify {
      precondition(number >= 0 && number < end)
      yield unsafe &state.pointee.places[Int(number)].record
    }
  }

  func insert(_ record: Record) -> Int32 {
    unsafe state.pointee.count += 1
    let released = unsafe state.pointee.firstReleased
    if released >= 0 {
      unsafe state.pointee.firstReleased = state.pointee.places[Int(released)].nextReleased
      self[released] = record
      return released
    }
    if unsafe state.pointee.end == state.pointee.capacity { grow() }
    let number = end
    unsafe (state.pointee.places + Int(number)).initialize(to: Place(record: record, nextReleased: -1))
    unsafe state.pointee.end += 1
    return number
  }

  /// Gives a number back. Its record is not to be used again.
  func release(_ number: Int32) {
    precondition(number >= 0 && number < end)
    unsafe state.pointee.places[Int(number)].nextReleased = state.pointee.firstReleased
    unsafe state.pointee.firstReleased = number
    unsafe state.pointee.count -= 1
  }

  /// Gives all numbers back.
  func removeAll() {
    unsafe state.pointee.end = 0
    unsafe state.pointee.count = 0
    unsafe state.pointee.firstReleased = -1
  }

  private func grow() {
    let old = unsafe state.pointee.places
    let larger = unsafe UnsafeMutablePointer<Place>.allocate(capacity: 2 * state.pointee.capacity)
    unsafe larger.moveInitialize(from: old, count: state.pointee.end)
    unsafe old.deallocate()
    unsafe state.pointee.places = larger
    unsafe state.pointee.capacity *= 2
  }
}
