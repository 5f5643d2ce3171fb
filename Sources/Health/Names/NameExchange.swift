import LVS

/// A query to one resolver, and the message that answers it.
final class NameExchange: Conversation {
  let resolver: Endpoint
  let isStream: Bool
  private(set) var response: DNSMessage?
  private let query: DNSQuery
  private let id = UInt16.random(in: 0...UInt16.max)

  init(_ query: DNSQuery, to resolver: Endpoint, isStream: Bool) {
    (self.query, self.resolver, self.isStream) = (query, resolver, isStream)
  }

  var opening: [UInt8] { DNSMessage.query(query, id: id).framed(isStream) }
  var expectsAnswer: Bool { true }

  /// A datagram that is no answer to this question is a stranger's.
  func judge(_ answer: [UInt8]) -> Outcome? {
    guard let message = answer.unframed(isStream) else { return nil }
    response = DNSMessage(message, to: query, id: id)
    if let response { return .good(response.responseWords) }
    return isStream ? .bad("answered something else than asked") : nil
  }
}
