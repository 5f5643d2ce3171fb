extension Sequence<String> {
  /// The word that was likely meant by another one: the only one that begins with it, or the one that is two slips of
  /// the fingers from it at most, and one where it is short.
  func nearest(to word: String) -> String? {
    let longer = filter { $0.hasPrefix(word) }
    if longer.count == 1 { return longer[0] }
    let slips = word.count > 3 ? 2 : 1
    return map { (distance: $0.slips(from: word), word: $0) }.filter { $0.distance <= slips }
      .min { ($0.distance, $0.word) < ($1.distance, $1.word) }?.word
  }
}

extension String {
  /// How many letters are missing, too many, wrong, or in the wrong order (the optimal string alignment distance).
  fileprivate func slips(from other: String) -> Int {
    let (a, b) = (Array(utf8), Array(other.utf8))
    var rows = [Array(0...b.count)]
    for i in 1..<a.count + 1 {
      var row = [i]
      for j in 1..<b.count + 1 {
        var least = Swift.min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
        if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { least = Swift.min(least, rows[i - 2][j - 2] + 1) }
        row.append(least)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}
