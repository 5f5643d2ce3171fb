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

  func changed(by edits: [ListEdit], _ servers: borrowing ServerList) { rebuild(servers) }

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

  /// The smaller quotient wins: `other` if cost / weight of `one` > cost / weight of `other`, or if they are equal and
  /// `other` comes earlier in the list.
  ///
  /// Costs are below 2^40 and weights at most 65,535, so twice a product fits. Who wins is hard to predict, and a
  /// mispredicted branch would cost more than the match: all 64 bits of `isOther` are the sign of a difference.
  static func joined(_ one: Self, _ other: Self) -> Self {
    let difference = other.cost &* UInt64(one.weight) &- one.cost &* UInt64(other.weight)
    let isEarlier = (UInt64(other.position) &- UInt64(one.position)) >> 63
    let isOther = UInt64(bitPattern: Int64(bitPattern: 2 &* difference &- isEarlier) >> 63)
    let half = UInt32(truncatingIfNeeded: isOther)
    return Self(
      cost: one.cost ^ (one.cost ^ other.cost) & isOther,
      weight: one.weight ^ (one.weight ^ other.weight) & half,
      position: one.position ^ (one.position ^ other.position) & half)
  }
}
