import Testing

@testable import Director

/// The same of single units, as Linux's queue of fragments does it.
private struct PlainRuns {
  private var units: [Bool] = []
  private var end = 0

  mutating func add(_ piece: FragmentPiece) -> PassedRuns.Outcome {
    let (from, to) = (Int(piece.start), Int(piece.end))
    if end != 0, to > end || piece.isLast && to != end { return .overlap }
    if piece.isLast, units.count > to { return .overlap }
    units += [Bool](repeating: false, count: max(0, to - units.count))
    if units[from..<to].allSatisfy({ $0 }) { return .duplicate }
    guard !units[from..<to].contains(true) else { return .overlap }
    for unit in from..<to { units[unit] = true }
    if piece.isLast { end = to }
    return .new
  }

  var isWhole: Bool { end != 0 && units.allSatisfy { $0 } }
  var runs: Int { (units + [false]).enumerated().count { $1 && ($0 == 0 || !units[$0 - 1]) } }
}

@Suite("What of a datagram has passed")
struct PassedRunsTests {
  @Test("is told as of single units, up to its number of runs")
  func plain() {
    var random = SplitMix64(seed: 9)
    var whole = 0
    for _ in 0..<20_000 {
      var (runs, plain) = (PassedRuns(), PlainRuns())
      let length = UInt16(random.next(through: 30)) + 2
      for _ in 0..<20 {
        let start = UInt16(random.next(through: UInt64(length) - 1))
        let end = min(start + 1 + UInt16(random.next(through: 5)), length)
        let piece = FragmentPiece(start, end, isLast: end == length && random.next(through: 9) != 0)
        let before = plain
        let (found, expected) = (runs.add(piece), plain.add(piece))
        guard plain.runs <= PassedRuns.capacity else {
          #expect(found == .overlap && expected == .new && before.runs == PassedRuns.capacity)
          break
        }
        #expect(found == expected && runs.isWhole == plain.isWhole)
        // The datagram is given up.
        guard expected != .overlap else { break }
        if runs.isWhole { whole += 1 }
      }
    }
    #expect(whole > 500)
  }

  @Test("takes fragments in any order within its bounds", arguments: [2, 8, 16])
  func orders(_ count: Int) {
    let pieces = (0..<count).map { FragmentPiece(UInt16($0 * 185), UInt16($0 * 185 + 185), isLast: $0 == count - 1) }
    let odd = pieces.enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
    let even = pieces.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
    for order in [pieces, pieces.reversed(), even + odd, odd + even] {
      var runs = PassedRuns()
      #expect(order.allSatisfy { runs.add($0) == .new } && runs.isWhole)
    }
  }
}
