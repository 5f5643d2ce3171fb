/// `wrr`: the servers in turn, each as often as its weight.
///
/// Rounds over the list with a falling bar `current`: a server is chosen where its weight reaches the bar. The bar
/// starts at the greatest weight, falls by the greatest common divisor of all weights (`step`) after each round, and
/// starts again at the top when it reaches 0. Weights 1, 2, 3: rounds at 3, 2, 1 choose {3}, {2, 3}, {1, 2, 3}.
///
/// A change of the list starts a new round at its head and keeps the bar, where that is still possible: servers
/// added one by one leave it where it was, so the first round depends on how the list came to be.
///
/// The next server that reaches the bar is found in a tree of weights: one step where it is the very next, log2(n)
/// at worst. Rounds that no usable server can reach (the bar counts overloaded servers too) are skipped by one
/// division, so a pick costs O(log n) whatever the weights.
final class WeightedRoundRobin: Scheduler {
  private var weights = SegmentTree<GreatestWeight>()
  /// The position of the last chosen server; -1 is the head of the list, before the first.
  private var last = -1
  /// The bar of this round, 0...top.
  private var current: Int32 = 0
  /// The greatest weight, less `step - 1`: with the bar there, the heaviest alone reach it. 0: no weight at all.
  private var top: Int32 = 0
  /// The greatest common divisor of the weights above 0; 1 if there are none.
  private var step: Int32 = 1

  func bind(_ servers: borrowing ServerList) {
    startRound(servers)
    current = top
  }

  func loadChanged(at position: Int, _ servers: borrowing ServerList) {
    weights.update(position, to: GreatestWeight(servers[position]))
  }

  func changed(by edits: [ListEdit], _ servers: borrowing ServerList) {
    startRound(servers)
    if current > top || current == 0 {
      current = top
    } else if step > 1 {
      current = current / step * step + 1
    }
  }

  private func startRound(_ servers: borrowing ServerList) {
    var new = SegmentTree(servers) { server, _ in GreatestWeight(server) }
    swap(&weights, &new)
    last = -1
    var (divisor, greatest): (Int32, Int32) = (0, 0)
    for position in 0..<servers.count where servers[position].weight > 0 {
      divisor = greatestCommonDivisor(servers[position].weight, divisor)
      greatest = max(greatest, servers[position].weight)
    }
    step = max(divisor, 1)
    top = greatest - (step - 1)
  }

  func pick(_ connection: NewConnection, _ servers: borrowing ServerList) -> Int? {
    guard top > 0 else { return nil }
    let begin = last
    var (start, end) = (begin + 1, Int.max)
    var (isLastRound, hasRestarted) = (false, false)
    while true {
      if let next = weights.first(from: start, atLeast: current), next <= end { return choose(next) }
      // The last round was for every weight, and went up to the server at which this pick began.
      if end < Int.max { return fail(at: end) }
      start = 0
      current -= step
      if current <= 0 {
        current = top
        if isLastRound || begin < 0 { return fail(at: -1) }
        hasRestarted = true
      }
      skipVainRounds()
      isLastRound = current <= step
      if isLastRound && hasRestarted && begin >= 0 { end = begin }
    }
  }

  var turn: SchedulerTurn {
    get { SchedulerTurn(last: Int32(last), bar: current) }
    set {
      last = newValue.last < weights.width ? max(Int(newValue.last), -1) : -1
      if newValue.bar > 0, newValue.bar <= top { current = newValue.bar }
    }
  }

  private func choose(_ position: Int) -> Int? {
    last = position
    return position
  }

  private func fail(at position: Int) -> Int? {
    last = position
    return nil
  }

  /// Lowers the bar to where a usable server reaches it, but not past the last round, which ends a vain search.
  private func skipVainRounds() {
    let reachable = max(weights.root.weight, step)
    guard current > reachable else { return }
    let rounds = (current - reachable - 1) / step + 1
    current -= rounds * step
  }
}

/// Euclid's, where 0 is divided by every number.
func greatestCommonDivisor(_ a: Int32, _ b: Int32) -> Int32 {
  var (a, b) = (a, b)
  while b != 0 { (a, b) = (b, a % b) }
  return a
}
