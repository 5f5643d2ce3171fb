/// Netlink attributes: 16 bits of length with the header, 16 bits of type, the value, padding to four bytes.
///
///      0                   16                  31
///     +-------------------+-------------------+
///     | length            | N O  type         |   N: a nest, O: in network order
///     +-------------------+-------------------+
///     | value, padded with zeros              |
///
/// Numbers stand in the order of the host, ports and IPv4 addresses in that of the network.
package struct AttributeWriter {
  package static let header = 4
  /// NLA_F_NESTED.
  package static let nested: UInt16 = 0x8000

  package private(set) var bytes: [UInt8] = []
  /// Whether nests say that they are: libnl's do, and so do our requests; the kernel's do not.
  private let marksNests: Bool

  package init(marksNests: Bool = true) {
    self.marksNests = marksNests
  }

  package mutating func put(_ type: UInt16, _ value: [UInt8]) {
    bytes += UInt16(truncatingIfNeeded: Self.header + value.count).hostBytes + type.hostBytes + value
    while bytes.count % 4 != 0 { bytes.append(0) }
  }

  /// A number in the order of the host.
  package mutating func put(_ type: UInt16, number: some FixedWidthInteger) {
    put(type, number.hostBytes)
  }

  /// Text with its closing NUL.
  package mutating func put(_ type: UInt16, text: String) {
    put(type, Array(text.utf8) + [0])
  }

  package mutating func nest(_ type: UInt16, _ content: (inout AttributeWriter) -> Void) {
    var inner = AttributeWriter(marksNests: marksNests)
    content(&inner)
    put(marksNests ? type | Self.nested : type, inner.bytes)
  }
}

/// A message whose lengths cannot be true.
package struct MalformedMessage: Error, Hashable {
  package init() {}
}

/// The attributes of a message or of a nest, by type. Types that are not asked for do no harm; of two of one type, the
/// last counts.
package struct Attributes {
  /// What this program knows ends well below; the other side may send more.
  private static let typeLimit = 32

  private let bytes: ArraySlice<UInt8>
  /// Where the value of each type lies; empty where it is absent.
  private var values: [Range<Int>]
  private var present: UInt32 = 0

  /// - Throws: where an attribute says that it is shorter than its header or longer than what is left.
  package init(_ bytes: ArraySlice<UInt8>) throws(MalformedMessage) {
    self.bytes = bytes
    values = Array(repeating: 0..<0, count: Self.typeLimit)
    var place = bytes.startIndex
    while place < bytes.endIndex {
      guard let length = UInt16(hostBytes: bytes[place...]), let type = UInt16(hostBytes: bytes[(place + 2)...]),
        length >= AttributeWriter.header, place + Int(length) <= bytes.endIndex
      else { throw MalformedMessage() }
      let number = Int(type & 0x3fff)
      if number < Self.typeLimit {
        values[number] = place + AttributeWriter.header..<place + Int(length)
        present |= 1 << number
      }
      place = min(place + (Int(length) + 3) & ~3, bytes.endIndex)
    }
  }

  /// The value as it is; nil where it is absent.
  package func value(_ type: UInt16) -> ArraySlice<UInt8>? {
    present >> type & 1 == 1 ? bytes[values[Int(type)]] : nil
  }

  /// A number in the order of the host; nil where it is absent or too short.
  package func number<Number: FixedWidthInteger>(_ type: UInt16, as: Number.Type = Number.self) -> Number? {
    value(type).flatMap { Number(hostBytes: $0) }
  }
}
