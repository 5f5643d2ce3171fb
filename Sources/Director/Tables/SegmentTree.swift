/// What a `SegmentTree` keeps of a run of neighboring servers.
protocol SegmentTreeNode: BitwiseCopyable, Equatable {
  /// Of no server at all.
  static var none: Self { get }

  /// Of two runs side by side, in either order.
  static func joined(_ one: Self, _ other: Self) -> Self
}

/// A complete binary tree over the positions of a server list: each inner node joins its two children, so the root
/// tells of the whole list and a change of one server costs at most log2(n) steps.
///
/// A list with other servers needs another tree. A class swaps it in (`swap(&tree, &new)`): as nothing is freed while
/// its property is written, the compiler proves that no accesses overlap, and picks are spared the check.
///
/// Node 1 is the root, node i has the children 2i and 2i + 1, and position p is leaf `width + p`.
struct SegmentTree<Node: SegmentTreeNode>: ~Copyable {
  private let nodes: Buffer<Node>
  /// The number of leaves: a power of two, at least the number of servers.
  let width: Int

  /// The tree of no servers.
  init() {
    width = 1
    nodes = Buffer(repeating: .none, count: 2)
  }

  /// The tree of `servers`, with what `leaf` makes of each and its position.
  init(_ servers: borrowing ServerList, leaf: (ServerLoad, Int) -> Node) {
    let count = servers.count
    width = count <= 1 ? 1 : 1 << (Int.bitWidth - (count - 1).leadingZeroBitCount)
    nodes = Buffer(repeating: .none, count: 2 * width)
    for position in 0..<count { nodes[width + position] = leaf(servers[position], position) }
    for index in stride(from: width - 1, to: 0, by: -1) {
      nodes[index] = .joined(nodes[2 * index], nodes[2 * index + 1])
    }
  }

  var root: Node { nodes[1] }

  subscript(index: Int) -> Node { nodes[index] }

  /// Replaces the leaf of `position`, and what its ancestors tell as far up as it changes.
  func update(_ position: Int, to leaf: Node) {
    var index = width + position
    var node = leaf
    while nodes[index] != node {
      nodes[index] = node
      guard index > 1 else { return }
      node = .joined(node, nodes[index ^ 1])
      index >>= 1
    }
  }
}
