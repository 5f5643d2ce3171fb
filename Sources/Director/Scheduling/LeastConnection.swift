extension CostRule {
  /// `lc`: the usable server with the fewest connections, whatever its weight.
  ///
  /// cost = 256 · active + inactive (`ServerLoad.overhead`)
  static let leastConnection = CostRule(ignoresWeight: true) { $0.overhead }
}
