import Synchronization

/// The room for connections that all workers share, so that it matters little to which of them the clients fall.
///
/// Each worker takes it a portion at a time and gives back what it does not need.
final class ConnectionRoom: Sendable {
  /// Connections of all workers together at most.
  let total: Int
  let workers: Int
  let portion: Int
  /// What a worker keeps free, so that new connections need not wait until another has given up some.
  let reserve: Int
  private let left: Atomic<Int>
  private let isWanted = Atomic<Bool>(false)

  init(total: Int, workers: Int) {
    (self.total, self.workers) = (total, workers)
    // Of what workers have and do not use, at most a thirty-second part lies idle.
    portion = workers == 1 ? total : max(total / (64 * workers), 1)
    reserve = workers == 1 ? 0 : portion / 2
    left = Atomic(total)
  }

  /// A portion, or what is left of one; 0 where others have it all.
  func take() -> Int {
    var seen = left.load(ordering: .relaxed)
    while seen > 0 {
      let taken = min(portion, seen)
      let (done, now) = left.compareExchange(expected: seen, desired: seen - taken, ordering: .relaxed)
      if done { return taken }
      seen = now
    }
    return 0
  }

  /// Portions until there is room for so many; fewer where others have it.
  func take(atLeast count: Int) -> Int {
    var room = take()
    while room < count, case let more = take(), more > 0 { room += more }
    return room
  }

  func give(_ room: Int) {
    left.add(room, ordering: .relaxed)
    isWanted.store(false, ordering: .relaxed)
  }

  /// A worker finds nothing left and has hardly a connection to spare.
  func want() {
    if !isWanted.load(ordering: .relaxed) { isWanted.store(true, ordering: .relaxed) }
  }

  /// Whether another worker is in need.
  var hasWanting: Bool { isWanted.load(ordering: .relaxed) }
}
