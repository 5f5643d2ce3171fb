/// The schedulers that choose the server of least cost for its weight: `lc wlc sed nq fo ovf`.
///
/// Each has a `CostRule` of its own and all else in common. The kernel scans the list for the least cost / weight,
/// compared by cross products, and the first of equals wins. The order of quotients is transitive, so pairs may be
/// compared in any grouping as long as ties go to the earlier: a tournament tree has the same winner at its root.
/// A pick reads the root; a change of load plays one match on each of log2(n) levels.
final class LeastCost: Scheduler {
  private var tree = SegmentTree<Contender>()
  private let rule: CostRule

  init(_ rule: CostRule) {
    self.rule = rule
  }

  func bind(_ servers: borrowing ServerList) { rebuild(servers) }

  func added(_ servers: borrowing ServerList) { rebuild(servers) }

  func removed(at position: Int, _ servers: borrowing ServerList) { rebuild(servers) }

  func edited(at position: Int, _ servers: borrowing ServerList) { loadChanged(at: position, servers) }

  func loadChanged(at position: Int, _ servers: borrowing ServerList) {
    tree.update(position, to: contender(servers[position], position))
  }

  func pick(_ connection: NewConnection, _ servers: borrowing ServerList) -> Int? {
    best
  }

  /// The position of the server of least cost; nil where none can take a connection.
  var best: Int? {
    let winner = tree.root
    return winner.weight > 0 ? Int(winner.position) : nil
  }

  private func rebuild(_ servers: borrowing ServerList) {
    var new = SegmentTree(servers, leaf: contender)
    swap(&tree, &new)
  }

  private func contender(_ server: ServerLoad, _ position: Int) -> Contender {
    guard server.isUsable, let cost = rule.cost(server) else { return .none }
    return Contender(cost: cost, weight: rule.ignoresWeight ? 1 : UInt32(server.weight), position: UInt32(position))
  }
}

/// What makes one least-cost scheduler differ from another.
struct CostRule: Sendable {
  /// All weights above 0 are alike.
  var ignoresWeight = false
  /// The cost of one more connection at a usable server, to be divided by its weight; nil if it takes none.
  let cost: @Sendable (ServerLoad) -> UInt64?
}

/// The server of a run of servers that wins the next connection.
struct Contender: SegmentTreeNode {
  var cost: UInt64
  /// 0 where no server can take it.
  var weight: UInt32
  var position: UInt32

  /// Loses to every server, as 1 · weight > cost · 0 for each weight above 0.
  static let none = Self(cost: 1, weight: 0, position: 0)

  /// The later wins only by a smaller quotient: cost / weight of the left > cost / weight of the right.
  ///
  /// Costs are below 2^40 and weights at most 65,535, so the products fit. Who wins is hard to predict, and a
  /// mispredicted branch would cost more than the match: all 64 bits of `isRight` are the sign of the difference.
  static func joined(_ left: Self, _ right: Self) -> Self {
    let difference = right.cost &* UInt64(left.weight) &- left.cost &* UInt64(right.weight)
    let isRight = UInt64(bitPattern: Int64(bitPattern: difference) >> 63)
    let half = UInt32(truncatingIfNeeded: isRight)
    return Self(
      cost: left.cost ^ (left.cost ^ right.cost) & isRight,
      weight: left.weight ^ (left.weight ^ right.weight) & half,
      position: left.position ^ (left.position ^ right.position) & half)
  }
}
