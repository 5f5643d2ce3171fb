import LVS

/// What is said to a server at a socket, and what makes of its answer. It knows no socket and no clock: bytes in, an
/// outcome out.
protocol Conversation {
  /// What is said first; nothing where that is empty.
  var opening: [UInt8] { get }

  /// Whether the server has to say something at all.
  var expectsAnswer: Bool { get }

  /// What to make of the answer: of a stream all that has come so far, else one datagram. nil: more has to come.
  func judge(_ answer: [UInt8]) -> Outcome?

  /// What it is if nothing (more) comes, after so many milliseconds.
  func judgeSilence(after milliseconds: UInt64) -> Outcome
}

extension Conversation {
  func judgeSilence(after milliseconds: UInt64) -> Outcome { .silence(milliseconds) }
}

/// A connection, and bytes that are sent and expected over it.
struct StreamDialogue: Conversation {
  /// How much is read in search of what is expected.
  static let limit = 65_536

  let dialogue: HealthCheck.Dialogue

  var opening: [UInt8] { dialogue.send?.bytes ?? [] }
  var expectsAnswer: Bool { dialogue.expect != nil }

  func judge(_ answer: [UInt8]) -> Outcome? {
    guard let expected = dialogue.expect?.bytes else { return .good(opening.isEmpty ? "connected" : "sent") }
    if answer.contains(expected) { return .good("answered as expected") }
    return answer.count < Self.limit ? nil : .bad("not what is expected in \(Self.limit) bytes")
  }
}

/// A datagram and its answer; or that no error comes back.
struct DatagramDialogue: Conversation {
  let dialogue: HealthCheck.Dialogue

  var opening: [UInt8] { dialogue.send?.bytes ?? [0] }
  var expectsAnswer: Bool { true }

  func judge(_ answer: [UInt8]) -> Outcome? {
    guard let expected = dialogue.expect?.bytes else { return .good("answered") }
    return answer.contains(expected) ? .good("answered as expected") : .bad("answered otherwise than expected")
  }

  func judgeSilence(after milliseconds: UInt64) -> Outcome {
    dialogue.expect == nil ? .good("no error came back") : .silence(milliseconds)
  }
}
