import Synchronization

/// What a thread is told that waits in a poller.
final class Mailbox<Message: Sendable>: Sendable {
  private let messages = Mutex<[Message]>([])
  private let bell: Bell

  init(_ bell: Bell) { self.bell = bell }

  func post(_ message: Message) {
    messages.withLock { $0.append(message) }
    bell.ring()
  }

  /// In the order in which they were posted.
  func take() -> [Message] {
    messages.withLock { messages in
      defer { messages = [] }
      return messages
    }
  }
}
