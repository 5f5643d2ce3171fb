import Foundation
import LVS

/// A row as a line of JSON, written and read by hand: a table has a million of them, and no field needs an escape.
extension ConnectionStatus {
  public static func jsonLines(_ rows: [ConnectionStatus]) -> [UInt8] {
    var text = RowText()
    for row in rows { row.append(to: &text) }
    return text.bytes
  }

  private func append(to text: inout RowText) {
    text.append("{\"transport\":\"")
    text.append(transport)
    text.append("\",\"client\":\"")
    text.append(client)
    text.append("\",\"virtual\":\"")
    text.append(virtual)
    text.append("\",\"server\":\"")
    text.append(server)
    text.append("\",\"state\":\"")
    text.append(state)
    text.append("\",\"expires\":")
    text.append(expires)
    text.append(isTemplate ? ",\"is_template\":true}\n" : ",\"is_template\":false}\n")
  }

  /// Reads whole lines as `jsonLines` writes them; a line of any other JSON takes the decoder's way.
  static func rows(inLines bytes: [UInt8]) throws -> [ConnectionStatus] {
    var rows: [ConnectionStatus] = []
    var reader = LineReader(bytes)
    while !reader.isAtEnd {
      let start = reader.place
      if let row = reader.row() {
        rows.append(row)
      } else {
        reader.place = start
        rows.append(try JSON.decode(from: Data(reader.line())))
      }
    }
    return rows
  }
}

/// A place in lines of text.
private struct LineReader {
  private static let quote = UInt8(ascii: "\"")

  private let bytes: [UInt8]
  var place = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { place == bytes.count }

  mutating func row() -> ConnectionStatus? {
    guard let transport = text(after: "{\"transport\":\""), let client = end(after: "\",\"client\":\""),
      let virtual = end(after: "\",\"virtual\":\""), let server = end(after: "\",\"server\":\""),
      let state = text(after: "\",\"state\":\""), skip("\",\"expires\":"), let expires = number(below: 1 << 32)
    else { return nil }
    let isTemplate = skip(",\"is_template\":true}\n")
    guard isTemplate || skip(",\"is_template\":false}\n") else { return nil }
    return ConnectionStatus(
      transport: transport, client: client, virtual: virtual, server: server, state: state,
      expires: UInt32(truncatingIfNeeded: expires), isTemplate: isTemplate)
  }

  /// What is left of the line, without its end.
  mutating func line() -> ArraySlice<UInt8> {
    let line = bytes[place...].prefix { $0 != UInt8(ascii: "\n") }
    place = min(line.endIndex + 1, bytes.count)
    return line
  }

  private mutating func skip(_ words: String) -> Bool {
    var at = place
    for byte in words.utf8 {
      guard at < bytes.count, bytes[at] == byte else { return false }
      at += 1
    }
    place = at
    return true
  }

  /// The text from these words up to the next quotation mark.
  private mutating func text(after words: String) -> String? {
    guard skip(words) else { return nil }
    let start = place
    while place < bytes.count, bytes[place] != Self.quote { place += 1 }
    return String(decoding: bytes[start..<place], as: UTF8.self)
  }

  private mutating func end(after words: String) -> Endpoint? {
    let start = place
    if skip(words), let end = endV4() { return end }
    place = start
    return text(after: words).flatMap { Endpoint($0) }
  }

  private mutating func endV4() -> Endpoint? {
    var address: UInt64 = 0
    for separator in [".", ".", ".", ":"] {
      guard let part = number(below: 256), skip(separator) else { return nil }
      address = address << 8 | part
    }
    return number(below: 1 << 16).map { Endpoint(IPAddress(v4: UInt32(truncatingIfNeeded: address)), UInt16($0)) }
  }

  private mutating func number(below limit: UInt64) -> UInt64? {
    let start = place
    var value: UInt64 = 0
    while place < bytes.count, value < limit, (48...57).contains(bytes[place]) {
      value = value * 10 + UInt64(bytes[place] - 48)
      place += 1
    }
    return place > start && value < limit ? value : nil
  }
}
