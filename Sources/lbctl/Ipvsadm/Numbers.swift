/// Numbers as ipvsadm reads them: C's `strtol` and `atoi`.
enum Numbers {
  static func read(_ text: String, _ range: ClosedRange<Int>, _ refusal: String) throws(IpvsadmExit) -> Int {
    guard let number = number(text), range.contains(number) else { throw .usage(refusal) }
    return number
  }

  static func timeout(_ text: String, _ range: ClosedRange<Int>) throws(IpvsadmExit) -> UInt32 {
    UInt32(try read(text, range, "invalid timeout value `\(text)' specified"))
  }

  static func mark(_ text: String) throws(IpvsadmExit) -> UInt32 {
    UInt32(try read(text, 1...0xffff_ffff, "invalid fwmark value `\(text)' specified"))
  }

  /// The number that the text begins with, else 0.
  static func leading(_ text: String) -> Int {
    let trimmed = text.drop { $0.isWhitespace }
    let sign = trimmed.prefix { $0 == "-" || $0 == "+" }
    guard sign.count <= 1 else { return 0 }
    let digits = trimmed.dropFirst(sign.count).prefix { $0.isASCII && $0.isNumber }
    return Int(sign + digits) ?? 0
  }

  /// As `strtol`: blanks and a sign may stand before the digits, nothing after them.
  static func number(_ text: String) -> Int? {
    let trimmed = text.drop { $0.isWhitespace }
    return trimmed.isEmpty ? nil : Int(trimmed)
  }
}
