extension CostRule {
  /// `sed`: the usable server that would have the fewest active connections for its weight with the new one counted.
  ///
  /// cost / weight = (active + 1) / weight
  static let shortestExpectedDelay = CostRule { UInt64($0.active) + 1 }
}
