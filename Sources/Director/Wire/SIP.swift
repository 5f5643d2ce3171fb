/// As much of SIP (RFC 3261) as the `sip` persistence engine reads: the Call-ID.
enum SIP {
  /// A Call-ID longer than this is none (`IP_VS_PEDATA_MAXLEN`).
  static let maximumLength = 255

  /// The keyed hash of the Call-ID of a message, or nil where it has none. Header names are compared without case; `i`
  /// is the short form of Call-ID.
  static func callID(_ message: Bytes, seed: UInt64) -> UInt64? {
    var line = 0
    while let next = endOfLine(message, line) {
      line = next
      guard let value = valueOfCallID(message, line) else { continue }
      return hash(message, value, seed)
    }
    return nil
  }

  /// Where the line after the one at `start` begins; nil where there is none.
  private static func endOfLine(_ message: Bytes, _ start: Int) -> Int? {
    var at = start
    while at < message.count, message.u8(at) != UInt8(ascii: "\n") { at += 1 }
    return at + 1 < message.count ? at + 1 : nil
  }

  /// The range of the value where the line at `start` is a Call-ID header with one.
  private static func valueOfCallID(_ message: Bytes, _ start: Int) -> Range<Int>? {
    guard var at = afterName(message, start) else { return nil }
    at = skipBlanks(message, at)
    guard at < message.count, message.u8(at) == UInt8(ascii: ":") else { return nil }
    let first = skipBlanks(message, at + 1)
    var last = first
    while last < message.count, message.u8(last) > UInt8(ascii: " ") { last += 1 }
    return (1...maximumLength).contains(last - first) ? first..<last : nil
  }

  private static func afterName(_ message: Bytes, _ start: Int) -> Int? {
    if start + 7 <= message.count, isCallID(message, start) { return start + 7 }
    return start < message.count && message.u8(start) | 0x20 == UInt8(ascii: "i") ? start + 1 : nil
  }

  /// `call-id` in any case.
  private static func isCallID(_ message: Bytes, _ start: Int) -> Bool {
    message.u32(start) | 0x2020_2020 == 0x6361_6c6c && message.u8(start + 4) == UInt8(ascii: "-")
      && message.u16(start + 5) | 0x2020 == 0x6964
  }

  private static func skipBlanks(_ message: Bytes, _ start: Int) -> Int {
    var at = start
    while at < message.count, message.u8(at) == UInt8(ascii: " ") || message.u8(at) == UInt8(ascii: "\t") { at += 1 }
    return at
  }

  private static func hash(_ message: Bytes, _ range: Range<Int>, _ seed: UInt64) -> UInt64 {
    range.reduce(seed | 1) { hash, at in
      let product = (hash ^ UInt64(message.u8(at))).multipliedFullWidth(by: 0x9fb2_1c65_1e98_df25)
      return product.low ^ product.high
    } | 1
  }
}
