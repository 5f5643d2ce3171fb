/// Bytes written as text: printable ASCII as it is, the rest as `\r`, `\n`, `\t`, `\\` or `\xHH`. Other text is read as
/// its UTF-8.
public struct Payload: Hashable, Sendable {
  public var bytes: [UInt8]

  public init(_ bytes: [UInt8]) { self.bytes = bytes }
}

extension Payload: TextCodable {
  public static var kind: String { #"text whose escapes are \r, \n, \t, \\ and \xHH"# }

  private static let backslash = UInt8(ascii: "\\")
  private static let escapes: [(letter: UInt8, byte: UInt8)] = [
    (UInt8(ascii: "r"), 13), (UInt8(ascii: "n"), 10), (UInt8(ascii: "t"), 9), (backslash, backslash),
  ]

  public init?(_ text: String) {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == Self.backslash else {
        bytes.append(byte)
        continue
      }
      guard let escaped = Self.escaped(&rest) else { return nil }
      bytes.append(escaped)
    }
    self.bytes = bytes
  }

  /// What follows a backslash.
  private static func escaped(_ rest: inout ArraySlice<UInt8>) -> UInt8? {
    guard let letter = rest.popFirst() else { return nil }
    if let known = escapes.first(where: { $0.letter == letter }) { return known.byte }
    let digits = rest.prefix(2)
    guard letter == UInt8(ascii: "x"), digits.count == 2, !digits.contains(UInt8(ascii: "+")) else { return nil }
    rest = rest.dropFirst(2)
    return UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
  }

  public var description: String {
    bytes.map { byte in
      if let escape = Self.escapes.first(where: { $0.byte == byte }) {
        return "\\" + String(decoding: [escape.letter], as: UTF8.self)
      }
      if (32..<127).contains(byte) { return String(decoding: [byte], as: UTF8.self) }
      return "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined()
  }
}
