import LVS

/// A DNS query, and what a check needs of its response (RFC 1035, section 4).
struct DNSMessage: Hashable {
  static let headerLength = 12

  private static let codes: [HealthCheck.DNSQuestion.RecordType: UInt16] = [.a: 1, .ns: 2, .soa: 6, .aaaa: 28]
  private static let internet: UInt16 = 1

  /// The query for a question.
  static func query(_ question: HealthCheck.DNSQuestion, id: UInt16) -> [UInt8] {
    let recursionDesired: UInt16 = 0x0100
    let header = [id, recursionDesired, 1, 0, 0, 0].flatMap(\.networkBytes)
    return header + encoded(question)
  }

  private static func encoded(_ question: HealthCheck.DNSQuestion) -> [UInt8] {
    let labels = question.name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
    return labels + [0] + (codes[question.type] ?? 1).networkBytes + internet.networkBytes
  }

  private let bytes: [UInt8]
  /// Where the answers begin.
  private let answers: Int

  /// nil where that is no response to this question with this id.
  init?(_ bytes: [UInt8], to question: HealthCheck.DNSQuestion, id: UInt16) {
    let asked = Self.encoded(question)
    (self.bytes, answers) = (bytes, Self.headerLength + asked.count)
    guard bytes.count >= Self.headerLength + asked.count, word(0) == id, bytes[2] & 0x80 != 0, word(4) == 1 else {
      return nil
    }
    let echoed = bytes[Self.headerLength..<(Self.headerLength + asked.count)]
    guard zip(echoed, asked).allSatisfy({ Self.lowercase($0) == Self.lowercase($1) }) else { return nil }
  }

  var responseCode: UInt8 { bytes[3] & 15 }
  var isTruncated: Bool { bytes[2] & 2 != 0 }

  /// Whether an address record of the answers has the address. It reads as far as the message can be read.
  func holds(_ address: IPAddress) -> Bool {
    let (type, wanted) = (address.family == .v4 ? Self.codes[.a] : Self.codes[.aaaa], address.bytes)
    var place = answers
    for _ in 0..<word(6) {
      guard let fields = skipName(place), fields + 10 <= bytes.count else { return false }
      let data = fields + 10
      let end = data + Int(word(fields + 8))
      guard end <= bytes.count else { return false }
      if word(fields) == type, bytes[data..<end].elementsEqual(wanted) { return true }
      place = end
    }
    return false
  }

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

  private func word(_ place: Int) -> UInt16 { UInt16(bytes[place]) << 8 | UInt16(bytes[place + 1]) }

  private static func lowercase(_ byte: UInt8) -> UInt8 { (65...90).contains(byte) ? byte + 32 : byte }
}

extension UInt16 {
  var networkBytes: [UInt8] { [UInt8(self >> 8), UInt8(self & 0xff)] }
}

/// A query and its response.
struct DNSExchange: Conversation {
  let question: HealthCheck.DNSQuestion
  let id: UInt16
  /// Over TCP a message has its length before it.
  let isStream: Bool

  var opening: [UInt8] {
    let query = DNSMessage.query(question, id: id)
    return isStream ? UInt16(query.count).networkBytes + query : query
  }

  var expectsAnswer: Bool { true }

  func judge(_ answer: [UInt8]) -> Outcome? {
    guard isStream else { return DNSMessage(answer, to: question, id: id).map(judge) }
    guard answer.count >= 2 else { return nil }
    let length = Int(answer[0]) << 8 | Int(answer[1])
    guard answer.count >= 2 + length else { return nil }
    let message = DNSMessage(Array(answer[2..<(2 + length)]), to: question, id: id)
    return message.map(judge) ?? .bad("answered something else than asked")
  }

  private static let codes: [UInt8: String] = [1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"]

  private func judge(_ message: DNSMessage) -> Outcome {
    guard message.responseCode == 0 else {
      return .bad(Self.codes[message.responseCode] ?? "response code \(message.responseCode)")
    }
    guard let address = question.address else { return .good("answered") }
    if message.holds(address) { return .good("answered with \(address)") }
    return .bad("\(address) is not among the answers\(message.isTruncated ? ", which are truncated" : "")")
  }
}
