extension CostRule {
  /// `fo`: the usable server with the greatest weight gets everything.
  ///
  /// cost / weight = 1 / weight
  static let weightedFailover = CostRule { _ in 1 }
}
