import LVS

/// Text as bytes, put together piece by piece without a string for each: a table has a million rows of a dozen pieces.
public struct RowText: Sendable {
  public private(set) var bytes: [UInt8] = []

  public init(_ text: String = "") {
    append(text)
  }

  public mutating func append(_ text: String) {
    bytes.append(contentsOf: text.utf8)
  }

  mutating func append(_ number: UInt32) {
    if number >= 10 { append(number / 10) }
    bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number % 10))
  }

  mutating func append(_ end: Endpoint) {
    append(end.address)
    bytes.append(UInt8(ascii: ":"))
    append(UInt32(end.port))
  }

  private mutating func append(_ address: IPAddress) {
    guard address.family == .v4 else { return append(address.bracketed) }
    append(address.v4 >> 24)
    bytes.append(UInt8(ascii: "."))
    append(address.v4 >> 16 & 255)
    bytes.append(UInt8(ascii: "."))
    append(address.v4 >> 8 & 255)
    bytes.append(UInt8(ascii: "."))
    append(address.v4 & 255)
  }

  /// Appends a piece, blanks up to this width, and one more: C's `%-Ns `.
  mutating func column(_ width: Int, _ piece: (inout RowText) -> Void) {
    let end = bytes.count + width
    piece(&self)
    while bytes.count < end { bytes.append(UInt8(ascii: " ")) }
    bytes.append(UInt8(ascii: " "))
  }
}
