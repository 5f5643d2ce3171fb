import LVS

/// A query and its response.
struct DNSExchange: Conversation {
  let question: HealthCheck.DNSQuestion
  let id: UInt16
  /// Over TCP a message has its length before it.
  let isStream: Bool

  var opening: [UInt8] { DNSMessage.query(question.query, id: id).framed(isStream) }

  var expectsAnswer: Bool { true }

  func judge(_ answer: [UInt8]) -> Outcome? {
    guard let message = answer.unframed(isStream) else { return nil }
    if let response = DNSMessage(message, to: question.query, id: id) { return judge(response) }
    return isStream ? .bad("answered something else than asked") : nil
  }

  private func judge(_ message: DNSMessage) -> Outcome {
    guard message.responseCode == 0 else { return .bad(message.responseWords) }
    guard let address = question.address else { return .good("answered") }
    if message.holds(address) { return .good("answered with \(address)") }
    return .bad("\(address) is not among the answers\(message.isTruncated ? ", which are truncated" : "")")
  }
}

extension HealthCheck.DNSQuestion {
  var query: DNSQuery {
    let types: [RecordType: DNSQuery.RecordType] = [.a: .a, .aaaa: .aaaa, .ns: .ns, .soa: .soa]
    return DNSQuery(name, type: types[type] ?? .a)
  }
}

extension [UInt8] {
  /// A DNS message as it goes over UDP, or over TCP with its length before it.
  func framed(_ isStream: Bool) -> [UInt8] { isStream ? UInt16(clamping: count).networkBytes + self : self }

  /// The message that has come; nil where more of it has to.
  func unframed(_ isStream: Bool) -> [UInt8]? {
    guard isStream else { return self }
    guard count >= 2 else { return nil }
    let length = Int(self[0]) << 8 | Int(self[1])
    return count >= 2 + length ? Array(self[2..<(2 + length)]) : nil
  }
}
