extension CostRule {
  /// `wlc`: the usable server with the fewest connections for its weight.
  ///
  /// cost / weight = (256 · active + inactive) / weight
  static let weightedLeastConnection = CostRule { $0.overhead }
}
