/// The greatest weight of a run of servers, those that take no connection counting as 0.
struct GreatestWeight: SegmentTreeNode {
  var weight: Int32

  static let none = Self(weight: 0)

  init(weight: Int32) {
    self.weight = weight
  }

  init(_ server: ServerLoad) {
    weight = server.isUsable ? server.weight : 0
  }

  static func joined(_ left: Self, _ right: Self) -> Self {
    left.weight >= right.weight ? left : right
  }
}

extension SegmentTree<GreatestWeight> {
  /// The first position from `start` on with a weight of `least` or more (`least` > 0).
  ///
  /// Only as many nodes are read as the logarithm of the distance: 1 where the very next server will do.
  func first(from start: Int, atLeast least: Int32) -> Int? {
    guard start < width else { return nil }
    var index = width + start
    while self[index].weight < least {
      index += 1
      let height = index.trailingZeroBitCount
      // A power of two is the leftmost node of a level: the search ran off the right edge.
      guard index >> height > 1 else { return nil }
      index >>= height
    }
    while index < width {
      index *= 2
      if self[index].weight < least { index += 1 }
    }
    return index - width
  }
}

/// The sum of the weights of a run of servers, those that take no connection counting as 0.
struct WeightSum: SegmentTreeNode {
  var sum: UInt64

  static let none = Self(sum: 0)

  init(sum: UInt64) {
    self.sum = sum
  }

  init(_ server: ServerLoad) {
    sum = server.isUsable ? UInt64(server.weight) : 0
  }

  static func joined(_ left: Self, _ right: Self) -> Self {
    Self(sum: left.sum &+ right.sum)
  }
}

extension SegmentTree<WeightSum> {
  /// The first position at which the weights so far add up to `target`, from 1 to the sum of all.
  func first(reaching target: UInt64) -> Int {
    precondition(target > 0 && target <= root.sum)
    var (index, rest) = (1, target)
    while index < width {
      index *= 2
      // Which way is as random as `target`, and a mispredicted branch costs more than the rest of the step: so all 64
      // bits of `isRight` are the sign of the difference.
      let left = self[index].sum
      let isRight = UInt64(bitPattern: Int64(bitPattern: left &- rest) >> 63)
      rest &-= left & isRight
      index &-= Int(bitPattern: UInt(isRight))
    }
    return index - width
  }
}
