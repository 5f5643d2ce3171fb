/// `twos`: of two servers drawn at random, the one with fewer connections for its weight.
///
/// With T the sum of the usable weights, two numbers r1, r2 are drawn from 0...T, inclusive. Each falls on the first
/// usable server at which the weights so far add up to r (0 falls on the first as 1 does). The second is chosen if
/// weight2 · overhead1 > weight1 · overhead2, else the first. A tree of sums finds each in log2(n) steps.
final class PowerOfTwoChoices: Scheduler {
  private var weights = SegmentTree<WeightSum>()
  private var random: SplitMix64

  init(seed: UInt64) {
    random = SplitMix64(seed: seed)
  }

  func bind(_ servers: borrowing ServerList) { rebuild(servers) }

  func changed(by edits: [ListEdit], _ servers: borrowing ServerList) { rebuild(servers) }

  func loadChanged(at position: Int, _ servers: borrowing ServerList) {
    weights.update(position, to: WeightSum(servers[position]))
  }

  func pick(_ connection: NewConnection, _ servers: borrowing ServerList) -> Int? {
    let total = weights.root.sum
    guard total > 0 else { return nil }
    let (first, second) = weights.first(
      reaching: max(random.next(through: total), 1), and: max(random.next(through: total), 1))
    let (one, two) = (servers[first], servers[second])
    return UInt64(two.weight) &* one.overhead > UInt64(one.weight) &* two.overhead ? second : first
  }

  private func rebuild(_ servers: borrowing ServerList) {
    var new = SegmentTree(servers) { server, _ in WeightSum(server) }
    swap(&weights, &new)
  }
}
