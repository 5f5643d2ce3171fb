/// C's `%-Ns` and `%Ns`, which count bytes.
extension StringProtocol {
  func left(_ width: Int) -> String { self + String(repeating: " ", count: Swift.max(0, width - utf8.count)) }
  func right(_ width: Int) -> String { String(repeating: " ", count: Swift.max(0, width - utf8.count)) + self }
}

extension BinaryInteger {
  func left(_ width: Int) -> String { String(self).left(width) }
  func right(_ width: Int) -> String { String(self).right(width) }
}

/// A table for eyes: columns as wide as their widest cell, two blanks between them, none at the end of a line.
public func columns(_ title: [String], _ rows: [[String]]) -> String {
  let lines = [title] + rows
  let widths = title.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
  return lines.map { cells in
    let padded = zip(cells, widths).map { $0.left($1) }.joined(separator: "  ")
    return String(padded[..<(padded.lastIndex { $0 != " " }.map(padded.index(after:)) ?? padded.startIndex)]) + "\n"
  }.joined()
}
