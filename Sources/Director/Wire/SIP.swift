/// As much of SIP (RFC 3261) as the `sip` persistence engine reads: the Call-ID, with the kernel's own idea of where it
/// is (`ct_sip_get_header`, `get_callid`), so that what one takes for a Call-ID the other does too.
enum SIP {
  /// A Call-ID longer than this is none (`IP_VS_PEDATA_MAXLEN`).
  static let maximumLength = 255

  /// The keyed hash of the Call-ID of a message, or nil where it has none. Header names are compared without case; `i`
  /// is the short form of Call-ID.
  static func callID(_ message: Bytes, seed: UInt64) -> UInt64? {
    var from = 0
    while let start = startOfValue(message, from) {
      guard let length = lengthOfValue(message, start) else {
        from = start
        continue
      }
      // A value is followed by the end of its line.
      guard length <= maximumLength, isEndOfLine(message, start + length) else { return nil }
      return hash(message, start..<start + length, seed)
    }
    return nil
  }

  /// Where the value of the next Call-ID begins; nil where there is none, or where the header has no colon or no value.
  private static func startOfValue(_ message: Bytes, _ from: Int) -> Int? {
    var at = from
    while at < message.count {
      guard isEndOfLine(message, at) else {
        at += 1
        continue
      }
      at = afterEndOfLine(message, at)
      guard at < message.count else { return nil }
      guard !isBlank(message, at), let colon = afterName(message, at) else {
        at += 1
        continue
      }
      guard let colon = skipBlanks(message, colon), message.u8(colon) == UInt8(ascii: ":") else { return nil }
      return skipBlanks(message, colon + 1)
    }
    return nil
  }

  /// Past a line's end: CR, LF or both.
  private static func afterEndOfLine(_ message: Bytes, _ at: Int) -> Int {
    guard at + 1 < message.count, message.u8(at) == UInt8(ascii: "\r") else { return at + 1 }
    return message.u8(at + 1) == UInt8(ascii: "\n") ? at + 2 : at + 1
  }

  private static func afterName(_ message: Bytes, _ start: Int) -> Int? {
    if start + 7 <= message.count, isCallID(message, start) { return start + 7 }
    guard start + 1 < message.count, message.u8(start) | 0x20 == UInt8(ascii: "i"),
      !isLetter(message.u8(start + 1))
    else { return nil }
    return start + 1
  }

  /// `call-id` in any case.
  private static func isCallID(_ message: Bytes, _ start: Int) -> Bool {
    message.u32(start) | 0x2020_2020 == 0x6361_6c6c && message.u8(start + 4) == UInt8(ascii: "-")
      && message.u16(start + 5) | 0x2020 == 0x6964
  }

  /// The next byte that is no blank, be it on a continuation line; nil where there is none.
  private static func skipBlanks(_ message: Bytes, _ start: Int) -> Int? {
    var at = start
    while at < message.count, isBlank(message, at) { at += 1 }
    guard at < message.count else { return nil }
    guard isEndOfLine(message, at) else { return at }
    at = afterEndOfLine(message, at)
    guard at < message.count, isBlank(message, at) else { return nil }
    while at < message.count, isBlank(message, at) { at += 1 }
    return at < message.count ? at : nil
  }

  /// `word` or `word@word`; nil where there is none.
  private static func lengthOfValue(_ message: Bytes, _ start: Int) -> Int? {
    let local = lengthOfWord(message, start)
    let at = start + local
    guard local > 0, at < message.count, message.u8(at) == UInt8(ascii: "@") else { return local > 0 ? local : nil }
    let domain = lengthOfWord(message, at + 1)
    return domain > 0 ? local + 1 + domain : nil
  }

  private static func lengthOfWord(_ message: Bytes, _ start: Int) -> Int {
    var at = start
    while at < message.count, isOfWord(message.u8(at)) { at += 1 }
    return at - start
  }

  private static func isOfWord(_ byte: UInt8) -> Bool {
    if isLetter(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { return true }
    switch byte {
    case UInt8(ascii: "!"), UInt8(ascii: "\""), UInt8(ascii: "%"), UInt8(ascii: "'"), UInt8(ascii: "("),
      UInt8(ascii: ")"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "?"),
      UInt8(ascii: "["), UInt8(ascii: "\\"), UInt8(ascii: "]"), UInt8(ascii: "_"), UInt8(ascii: "`"),
      UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "~"):
      return true
    default: return false
    }
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }

  private static func isBlank(_ message: Bytes, _ at: Int) -> Bool {
    message.u8(at) == UInt8(ascii: " ") || message.u8(at) == UInt8(ascii: "\t")
  }

  private static func isEndOfLine(_ message: Bytes, _ at: Int) -> Bool {
    at < message.count && (message.u8(at) == UInt8(ascii: "\r") || message.u8(at) == UInt8(ascii: "\n"))
  }

  private static func hash(_ message: Bytes, _ range: Range<Int>, _ seed: UInt64) -> UInt64 {
    range.reduce(seed | 1) { hash, at in
      let product = (hash ^ UInt64(message.u8(at))).multipliedFullWidth(by: 0x9fb2_1c65_1e98_df25)
      return product.low ^ product.high
    } | 1
  }
}
