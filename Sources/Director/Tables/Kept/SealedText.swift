/// Text with a checksum in its first line: damage to any byte of it is found.
enum SealedText {
  static func seal(_ text: [UInt8]) -> [UInt8] { line(text) + text }

  /// The text; nil where it is not as it was sealed.
  static func open(_ sealed: [UInt8]) -> [UInt8]? {
    guard let end = sealed.firstIndex(of: newline) else { return nil }
    let text = Array(sealed[(end + 1)...])
    return line(text)[...] == sealed[...end] ? text : nil
  }

  private static let newline = UInt8(ascii: "\n")

  private static func line(_ text: [UInt8]) -> [UInt8] { Array("\(CRC32C.of(text)) \(text.count)\n".utf8) }
}
