/// The text forms: dotted quads (no leading zeros), RFC 4291 for reading and RFC 5952 for writing IPv6.
extension IPAddress: LosslessStringConvertible {
  /// Reads an address; nil where the text is anything but one whole address without zone or prefix.
  public init?(_ text: some StringProtocol) {
    if text.utf8.contains(UInt8(ascii: ":")) {
      guard let words = Self.v6Words(text) else { return nil }
      let halves = [words[0..<4], words[4..<8]].map { $0.reduce(UInt64(0)) { $0 << 16 | UInt64($1) } }
      self.init(v6: halves[0], halves[1])
    } else {
      guard let value = Self.v4Value(text) else { return nil }
      self.init(v4: value)
    }
  }

  public init?(_ description: String) {
    self.init(description[...])
  }

  private static func v4Value(_ text: some StringProtocol) -> UInt32? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var value: UInt32 = 0
    for part in parts {
      guard let byte = decimal(part), part.utf8.count == 1 || part.utf8.first != UInt8(ascii: "0") else { return nil }
      value = value << 8 | UInt32(byte)
    }
    return value
  }

  private static func decimal(_ text: some StringProtocol) -> UInt8? {
    guard (1...3).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
    return UInt8(text)
  }

  private static func v6Words(_ text: some StringProtocol) -> [UInt16]? {
    let text = String(text)
    guard let gap = doubleColon(in: text) else { return groups(text[...]).flatMap { $0.count == 8 ? $0 : nil } }
    guard let head = groups(text[..<gap.lowerBound], endsAddress: false), let tail = groups(text[gap.upperBound...]),
      head.count + tail.count <= 7
    else { return nil }
    return head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
  }

  /// Where `::` stands. A second one is left in the tail, whose empty group is refused there.
  private static func doubleColon(in text: String) -> Range<String.Index>? {
    var index = text.startIndex
    while index < text.endIndex {
      let next = text.index(after: index)
      if next < text.endIndex, text[index] == ":", text[next] == ":" { return index..<text.index(after: next) }
      index = next
    }
    return nil
  }

  /// The 16-bit groups of a piece of an IPv6 address; an IPv4 tail of the whole gives two.
  private static func groups(_ text: Substring, endsAddress: Bool = true) -> [UInt16]? {
    if text.isEmpty { return [] }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    var words: [UInt16] = []
    for (index, part) in parts.enumerated() {
      if endsAddress, index == parts.count - 1, let v4 = v4Value(part) {
        words += [UInt16(v4 >> 16), UInt16(truncatingIfNeeded: v4)]
      } else {
        guard (1...4).contains(part.utf8.count), part.utf8.first != UInt8(ascii: "+"),
          let word = UInt16(part, radix: 16)
        else { return nil }
        words.append(word)
      }
    }
    return words
  }

  public var description: String {
    switch family {
    case .v4:
      return "\(v4 >> 24).\(v4 >> 16 & 255).\(v4 >> 8 & 255).\(v4 & 255)"
    case .v6:
      let words = (0..<8).map { UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> (48 - 16 * UInt64($0 % 4))) }
      return Self.v6Text(words)
    }
  }

  /// RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups becomes `::`.
  private static func v6Text(_ words: [UInt16]) -> String {
    if words[0..<5].allSatisfy({ $0 == 0 }) && words[5] == 0xffff {
      return "::ffff:" + IPAddress(v4: UInt32(words[6]) << 16 | UInt32(words[7])).description
    }
    func hex(_ part: ArraySlice<UInt16>) -> String {
      part.map { String($0, radix: 16) }.joined(separator: ":")
    }
    guard let run = longestZeroRun(words) else { return hex(words[...]) }
    return hex(words[..<run.lowerBound]) + "::" + hex(words[run.upperBound...])
  }

  private static func longestZeroRun(_ words: [UInt16]) -> Range<Int>? {
    var best: Range<Int>?
    var start = 0
    for index in 0...8 where index == 8 || words[index] != 0 {
      if index - start >= 2, index - start > best?.count ?? 0 { best = start..<index }
      start = index + 1
    }
    return best
  }

  /// The address as it stands before a port: IPv6 in brackets.
  public var bracketed: String { family == .v4 ? description : "[\(description)]" }
}
