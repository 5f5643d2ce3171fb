import LVS

/// A conversation under way at a socket.
final class SocketAttempt {
  /// What a step came to.
  enum Step {
    /// Waits for what it watches at the descriptor.
    case waits(reads: Bool, writes: Bool)
    case done(Outcome)
    /// The connection stands; what goes on over it does so elsewhere.
    case connected
  }

  let socket: CheckSocket
  /// nil: a connection is all that is wanted here.
  private let conversation: (any Conversation)?
  private var unsent: ArraySlice<UInt8> = []
  private var received: [UInt8] = []
  /// Whether the connection stands; datagrams need none.
  private(set) var isConnected = false

  private static let readSize = 4096

  init(_ socket: CheckSocket, _ conversation: (any Conversation)?) {
    (self.socket, self.conversation) = (socket, conversation)
    unsent = conversation?.opening[...] ?? []
  }

  func begin(to address: IPAddress, port: UInt16) -> Step {
    attempt { () throws(CallFailure) in
      guard try socket.connect(to: address, port: port) else { return .waits(reads: false, writes: true) }
      isConnected = true
      return try proceed()
    }
  }

  /// Goes on after the descriptor became ready.
  func advance() -> Step {
    attempt { () throws(CallFailure) in
      if !isConnected {
        let code = socket.takeError()
        guard code == 0 else { throw CallFailure("connect", code: code) }
        isConnected = true
      }
      return try proceed()
    }
  }

  func silence(after milliseconds: UInt64) -> Outcome {
    guard isConnected, let conversation else { return .silence(milliseconds) }
    return conversation.judgeSilence(after: milliseconds)
  }

  private func attempt(_ body: () throws(CallFailure) -> Step) -> Step {
    do throws(CallFailure) { return try body() } catch { return .done(Outcome(error)) }
  }

  private func proceed() throws(CallFailure) -> Step {
    guard let conversation else { return .connected }
    while !unsent.isEmpty {
      guard let sent = try socket.send(unsent) else { return .waits(reads: false, writes: true) }
      unsent = unsent.dropFirst(sent)
    }
    guard conversation.expectsAnswer else { return .done(conversation.judge([]) ?? .bad("no answer")) }
    return try listen(conversation)
  }

  private func listen(_ conversation: any Conversation) throws(CallFailure) -> Step {
    if socket.transport != .stream { received.removeAll(keepingCapacity: true) }
    guard let count = try socket.receive(into: &received, limit: Self.readSize) else {
      return .waits(reads: true, writes: false)
    }
    if count == 0, socket.transport == .stream { return .done(.bad("closed by the server")) }
    if let outcome = conversation.judge(received) { return .done(outcome) }
    // What else has come is read in the next round, so that one server's flood is not all that is done.
    return .waits(reads: true, writes: false)
  }
}
