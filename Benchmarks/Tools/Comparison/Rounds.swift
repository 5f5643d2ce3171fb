/// One measured figure, beside a baseline's where there is one.
struct Figure: Codable {
  var name: String
  var unit: String
  var value: Double
  var baseline: Double?
  /// Ours to the baseline's: the median of the rounds' ratios.
  var ratio: Double?
}

/// Rounds in which contenders take turns, so that what else the machine does meets all of them.
struct Rounds {
  var count: Int

  /// - Parameters:
  ///   - ours: the nanoseconds of one operation or a rate, measured anew at each call.
  ///   - baseline: the same of the baseline's.
  func compare(_ name: String, unit: String = "ns", ours: () -> Double, baseline: () -> Double) -> Figure {
    _ = (ours(), baseline())
    let pairs = (0..<count).map { round in
      guard round % 2 == 0 else {
        let second = baseline()
        return (ours(), second)
      }
      return (ours(), baseline())
    }
    return Figure(
      name: name, unit: unit, value: median(pairs.map(\.0)), baseline: median(pairs.map(\.1)),
      ratio: median(pairs.map { $0.0 / $0.1 }))
  }

  func measure(_ name: String, unit: String = "ns", _ body: () -> Double) -> Figure {
    Figure(name: name, unit: unit, value: median((0..<count).map { _ in body() }))
  }
}

func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  let middle = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
