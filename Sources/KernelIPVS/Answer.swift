import IPVSMessages

/// What the kernel answers to one request, gathered from the datagrams in which it comes.
struct Answer {
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
      guard let length = UInt32(hostBytes: rest), length >= NetlinkHeader.size, length <= rest.count else {
        throw MalformedMessage()
      }
      try take(rest.prefix(Int(length)))
      rest = rest.dropFirst((Int(length) + 3) & ~3)
    }
  }

  private mutating func take(_ message: ArraySlice<UInt8>) throws(MalformedMessage) {
    guard let header = NetlinkHeader(message), header.sequence == sequence else { return }
    if header.flags & NetlinkFlags.interrupted != 0, header.type != NetlinkType.error { isInterrupted = true }
    switch header.type {
    case NetlinkType.noOperation: break
    case NetlinkType.overrun: isInterrupted = true
    case NetlinkType.error, NetlinkType.done:
      guard let code = Int32(hostBytes: message.dropFirst(NetlinkHeader.size)) else {
        // A dump may end without a code.
        if header.type == NetlinkType.done {
          isComplete = true
          return
        }
        throw MalformedMessage()
      }
      refusal = code == Int32.min ? Int32.max : abs(code)
      isComplete = true
    default:
      guard message.count >= NetlinkHeader.genericSize else { throw MalformedMessage() }
      messages.append(message.dropFirst(NetlinkHeader.genericSize))
    }
  }
}
