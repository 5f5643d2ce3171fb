/// What the kernel answers to one request, gathered from the datagrams in which it comes.
struct Answer {
  private enum Kind {
    static let noOperation: UInt16 = 1
    static let error: UInt16 = 2
    static let done: UInt16 = 3
    static let overrun: UInt16 = 4
  }

  /// Netlink's header, and with the generic one.
  private static let header = 16
  static let contentStart = 20

  private let sequence: UInt32
  /// The attributes of each message.
  private(set) var messages: [ArraySlice<UInt8>] = []
  /// The table changed while it was dumped: what was gathered may miss or repeat something.
  private(set) var isInterrupted = false
  /// Whether nothing more will come.
  private(set) var isComplete = false
  /// The kernel's errno where it refused, else 0.
  private(set) var refusal: Int32 = 0

  init(to sequence: UInt32) {
    self.sequence = sequence
  }

  /// Takes one datagram, which may hold many messages. Those that answer another request are passed over.
  mutating func take(_ datagram: [UInt8]) throws(MalformedMessage) {
    var rest = datagram[...]
    while !rest.isEmpty, !isComplete {
      guard let length = UInt32(hostBytes: rest), length >= Self.header, length <= rest.count else {
        throw MalformedMessage()
      }
      try take(rest.prefix(Int(length)))
      rest = rest.dropFirst((Int(length) + 3) & ~3)
    }
  }

  private mutating func take(_ message: ArraySlice<UInt8>) throws(MalformedMessage) {
    let start = message.startIndex
    let type = UInt16(hostBytes: message[(start + 4)...]) ?? 0
    let flags = UInt16(hostBytes: message[(start + 6)...]) ?? 0
    guard UInt32(hostBytes: message[(start + 8)...]) == sequence else { return }
    if flags & NetlinkFlags.interrupted != 0, type != Kind.error { isInterrupted = true }
    switch type {
    case Kind.noOperation: break
    case Kind.overrun: isInterrupted = true
    case Kind.error, Kind.done:
      guard let code = Int32(hostBytes: message[(start + Self.header)...]) else {
        // A dump may end without a code.
        if type == Kind.done {
          isComplete = true
          return
        }
        throw MalformedMessage()
      }
      refusal = code == Int32.min ? Int32.max : abs(code)
      isComplete = true
    default:
      guard message.count >= Self.contentStart else { throw MalformedMessage() }
      messages.append(message[(start + Self.contentStart)...])
    }
  }
}
