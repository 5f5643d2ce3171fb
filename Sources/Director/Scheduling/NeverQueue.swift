extension CostRule {
  /// `nq`: the first usable server with no active connection, however slow; if there is none, as `sed`.
  ///
  /// cost / weight = 0 if active = 0, else (active + 1) / weight: an idle server costs nothing, so it wins over all
  /// others and the first of the idle ones over the rest of them.
  static let neverQueue = CostRule { $0.active == 0 ? 0 : UInt64($0.active) + 1 }
}
