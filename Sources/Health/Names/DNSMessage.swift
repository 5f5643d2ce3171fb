import LVS

/// A question to the DNS: the records of one type that a name has.
struct DNSQuery: Hashable {
  /// RFC 1035, section 3.2.2; AAAA is RFC 3596's, SRV RFC 2782's.
  enum RecordType: UInt16 {
    case a = 1
    case ns = 2
    case soa = 6
    case aaaa = 28
    case srv = 33
  }

  var name: String
  var type: RecordType

  init(_ name: String, type: RecordType) { (self.name, self.type) = (name, type) }
}

/// A DNS query, and its response (RFC 1035, section 4). Nothing in it is believed: what cannot be read is nil.
struct DNSMessage: Hashable {
  static let headerLength = 12

  private static let internet: UInt16 = 1

  /// The query for a question.
  static func query(_ query: DNSQuery, id: UInt16) -> [UInt8] {
    let recursionDesired: UInt16 = 0x0100
    let header = [id, recursionDesired, 1, 0, 0, 0].flatMap(\.networkBytes)
    return header + encoded(query)
  }

  private static func encoded(_ query: DNSQuery) -> [UInt8] {
    let labels = query.name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
    return labels + [0] + query.type.rawValue.networkBytes + internet.networkBytes
  }

  private let bytes: [UInt8]
  /// Where the answers begin.
  private let answers: Int

  /// nil where that is no response to this question with this id.
  init?(_ bytes: [UInt8], to query: DNSQuery, id: UInt16) {
    let asked = Self.encoded(query)
    (self.bytes, answers) = (bytes, Self.headerLength + asked.count)
    guard bytes.count >= Self.headerLength + asked.count, word(0) == id, bytes[2] & 0x80 != 0, word(4) == 1 else {
      return nil
    }
    let echoed = bytes[Self.headerLength..<(Self.headerLength + asked.count)]
    guard zip(echoed, asked).allSatisfy({ Self.lowercase($0) == Self.lowercase($1) }) else { return nil }
  }

  var responseCode: UInt8 { bytes[3] & 15 }
  var isTruncated: Bool { bytes[2] & 2 != 0 }

  static let noSuchName: UInt8 = 3
  private static let codes: [UInt8: String] = [1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"]

  /// What the response code is called.
  var responseWords: String { Self.codes[responseCode] ?? "response code \(responseCode)" }

  // MARK: Records

  /// A record of the answers.
  struct Record: Hashable {
    let type: UInt16
    /// In seconds; RFC 2181, section 8: one with its highest bit set is 0.
    let ttl: UInt32
    /// Where its data stands in the message.
    let data: Range<Int>
  }

  /// The answers; nil where one of them cannot be read.
  var records: [Record]? {
    let (records, isWhole) = readRecords()
    return isWhole ? records : nil
  }

  /// As far as they can be read, which is not for longer than the message is.
  private func readRecords() -> (records: [Record], isWhole: Bool) {
    var (records, place): ([Record], Int) = ([], answers)
    for _ in 0..<word(6) {
      guard let fields = skipName(place), fields + 10 <= bytes.count else { return (records, false) }
      let data = fields + 10..<fields + 10 + Int(word(fields + 8))
      guard data.upperBound <= bytes.count else { return (records, false) }
      let ttl = UInt32(word(fields + 4)) << 16 | UInt32(word(fields + 6))
      records.append(Record(type: word(fields), ttl: ttl >> 31 == 0 ? ttl : 0, data: data))
      place = data.upperBound
    }
    return (records, true)
  }

  /// Whether an address record of the answers has the address. It reads as far as the message can be read.
  func holds(_ address: IPAddress) -> Bool { readRecords().records.contains { self.address(in: $0) == address } }

  /// The address that an address record has.
  func address(in record: Record) -> IPAddress? {
    func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
    let data = bytes[record.data]
    return switch (DNSQuery.RecordType(rawValue: record.type), data.count) {
    case (.a, 4): IPAddress(v4: UInt32(number(data)))
    case (.aaaa, 16): IPAddress(v6: number(data.prefix(8)), number(data.suffix(8)))
    default: nil
    }
  }

  /// A host that an SRV record names.
  struct Host: Hashable {
    let priority: UInt16
    let weight: UInt16
    let port: UInt16
    /// `.`: there is none.
    let name: String
  }

  func host(in record: Record) -> Host? {
    let start = record.data.lowerBound
    guard record.type == DNSQuery.RecordType.srv.rawValue, record.data.count > 6, let name = name(at: start + 6) else {
      return nil
    }
    return Host(priority: word(start), weight: word(start + 2), port: word(start + 4), name: name)
  }

  // MARK: Names

  /// Behind a name: labels until an empty one or a pointer. Nothing is followed, so nothing goes in circles.
  private func skipName(_ start: Int) -> Int? {
    var place = start
    while place < bytes.count {
      let length = bytes[place]
      if length == 0 { return place + 1 }
      if length & 0xc0 == 0xc0 { return place + 2 }
      guard length & 0xc0 == 0 else { return nil }
      place += Int(length) + 1
    }
    return nil
  }

  /// A name as text; nil where it is none that a host can have. Pointers lead ever further back, so that it ends.
  private func name(at start: Int) -> String? {
    var (place, first, length, labels): (Int, Int, Int, [String]) = (start, start, 0, [])
    while place < bytes.count {
      let count = Int(bytes[place])
      if count == 0 { return labels.isEmpty ? "." : labels.joined(separator: ".") }
      if count & 0xc0 == 0xc0 {
        guard place + 1 < bytes.count else { return nil }
        place = (count & 0x3f) << 8 | Int(bytes[place + 1])
        guard place < first else { return nil }
        first = place
      } else {
        let label = bytes[(place + 1)...].prefix(count)
        let text = String(decoding: label, as: UTF8.self)
        length += count + 1
        guard count & 0xc0 == 0, label.count == count, length < 255, text.isDomainName, !text.contains(".") else {
          return nil
        }
        labels.append(text)
        place += count + 1
      }
    }
    return nil
  }

  private func word(_ place: Int) -> UInt16 { UInt16(bytes[place]) << 8 | UInt16(bytes[place + 1]) }

  private static func lowercase(_ byte: UInt8) -> UInt8 { (65...90).contains(byte) ? byte + 32 : byte }
}

extension UInt16 {
  var networkBytes: [UInt8] { [UInt8(self >> 8), UInt8(self & 0xff)] }
}
