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

  static func joined(_ one: Self, _ other: Self) -> Self {
    one.weight >= other.weight ? one : other
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

  static func joined(_ one: Self, _ other: Self) -> Self {
    Self(sum: one.sum &+ other.sum)
  }
}

extension SegmentTree<WeightSum> {
  /// The first positions at which the weights so far add up to each of two targets, from 1 to the sum of all.
  ///
  /// Both at once, as their steps do not wait for each other. Which way is as random as the target, and a mispredicted
  /// branch costs more than the rest of a step: all 64 bits of `isRight` are the sign of a difference.
  func first(reaching one: UInt64, and other: UInt64) -> (Int, Int) {
    precondition(min(one, other) > 0 && max(one, other) <= root.sum)
    var (index1, index2, rest1, rest2) = (1, 1, one, other)
    while index1 < width {
      let (left1, left2) = (self[index1 << 1].sum, self[index2 << 1].sum)
      let isRight1 = Int64(bitPattern: left1 &- rest1) >> 63
      let isRight2 = Int64(bitPattern: left2 &- rest2) >> 63
      rest1 &-= left1 & UInt64(bitPattern: isRight1)
      rest2 &-= left2 & UInt64(bitPattern: isRight2)
      index1 = index1 << 1 &- Int(isRight1)
      index2 = index2 << 1 &- Int(isRight2)
    }
    return (index1 - width, index2 - width)
  }
}
