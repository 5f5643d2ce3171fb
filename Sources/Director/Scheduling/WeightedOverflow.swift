extension CostRule {
  /// `ovf`: the usable server with the greatest weight until it has more active connections than weight; then the
  /// next. Each takes weight + 1; when all are full, nobody.
  ///
  /// cost / weight = 1 / weight if active <= weight, else the server is out
  static let weightedOverflow = CostRule { UInt64($0.active) <= UInt64($0.weight) ? 1 : nil }
}
