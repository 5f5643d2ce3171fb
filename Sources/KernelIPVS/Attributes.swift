/// Netlink attributes: 16 bits of length with the header, 16 bits of type, the value, padding to four bytes.
///
///      0                   16                  31
///     +-------------------+-------------------+
///     | length            | N O  type         |   N: a nest, O: in network order
///     +-------------------+-------------------+
///     | value, padded with zeros              |
///
/// Numbers stand in the order of the host, ports and IPv4 addresses in that of the network.
struct AttributeWriter {
  static let header = 4
  /// NLA_F_NESTED: libnl sets it on the nests that it builds, and so does this.
  static let nested: UInt16 = 0x8000

  private(set) var bytes: [UInt8] = []

  mutating func put(_ type: UInt16, _ value: [UInt8]) {
    begin(type, length: Self.header + value.count)
    bytes += value
    pad()
  }

  /// A number in the order of the host.
  mutating func put(_ type: UInt16, number: some FixedWidthInteger) {
    put(type, number.hostBytes)
  }

  /// A port: 16 bits in network order.
  mutating func put(_ type: UInt16, port: UInt16) {
    put(type, port.bigEndian.hostBytes)
  }

  /// Text with its closing NUL.
  mutating func put(_ type: UInt16, text: String) {
    put(type, Array(text.utf8) + [0])
  }

  mutating func nest(_ type: UInt16, _ content: (inout AttributeWriter) -> Void) {
    var inner = AttributeWriter()
    content(&inner)
    put(type | Self.nested, inner.bytes)
  }

  private mutating func begin(_ type: UInt16, length: Int) {
    bytes += UInt16(truncatingIfNeeded: length).hostBytes + type.hostBytes
  }

  private mutating func pad() {
    while bytes.count % 4 != 0 { bytes.append(0) }
  }
}

extension FixedWidthInteger {
  /// The number's bytes as they lie in this machine's memory.
  var hostBytes: [UInt8] { unsafe withUnsafeBytes(of: self) { unsafe Array($0) } }

  /// Reads a number that lies at the beginning of the bytes; nil where there are too few.
  init?(hostBytes bytes: ArraySlice<UInt8>) {
    guard bytes.count >= MemoryLayout<Self>.size else { return nil }
    self = unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: Self.self) }
  }
}

/// A message whose lengths cannot be true.
struct MalformedMessage: Error, Hashable {}

/// The attributes of a message or of a nest, by type. Types that are not asked for do no harm; of two of one type, the
/// last counts.
struct Attributes {
  /// What this program knows ends well below; the kernel may send more.
  private static let typeLimit = 32

  private let bytes: ArraySlice<UInt8>
  /// Where the value of each type lies; empty where it is absent.
  private var values: [Range<Int>]
  private var present: UInt32 = 0

  /// - Throws: where an attribute says that it is shorter than its header or longer than what is left.
  init(_ bytes: ArraySlice<UInt8>) throws(MalformedMessage) {
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
  func value(_ type: UInt16) -> ArraySlice<UInt8>? {
    present >> type & 1 == 1 ? bytes[values[Int(type)]] : nil
  }

  /// A number in the order of the host; nil where it is absent or too short.
  func number<Number: FixedWidthInteger>(_ type: UInt16, as: Number.Type = Number.self) -> Number? {
    value(type).flatMap { Number(hostBytes: $0) }
  }

  /// A number that came in network order.
  func port(_ type: UInt16) -> UInt16? {
    number(type, as: UInt16.self).map { UInt16(bigEndian: $0) }
  }

  /// Text up to its NUL.
  func text(_ type: UInt16) -> String? {
    value(type).map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// - Throws: where the nest is there, but its lengths lie.
  func nest(_ type: UInt16) throws(MalformedMessage) -> Attributes? {
    guard let value = value(type) else { return nil }
    return try Attributes(value)
  }
}
