import LVS

/// ICMP echo messages (RFC 792, RFC 4443 section 4): type, code, checksum, identifier, sequence, data.
struct EchoMessage: Hashable {
  static let v4Request: UInt8 = 8
  static let v4Reply: UInt8 = 0
  static let v6Request: UInt8 = 128
  static let v6Reply: UInt8 = 129
  static let headerLength = 8

  var type: UInt8
  var identifier: UInt16
  /// What tells the answer from those to others, and from what strangers make up.
  var token: UInt64

  var bytes: [UInt8] {
    var bytes: [UInt8] = [type, 0, 0, 0, UInt8(identifier >> 8), UInt8(identifier & 0xff), 0, 1]
    bytes += (0..<8).map { UInt8(truncatingIfNeeded: token >> (56 - 8 * $0)) }
    // The kernel computes ICMPv6's, which covers the addresses.
    let sum = type == Self.v4Request ? Self.checksum(bytes) : 0
    (bytes[2], bytes[3]) = (UInt8(sum >> 8), UInt8(sum & 0xff))
    return bytes
  }

  /// nil where that is too short to be one of ours.
  init?(_ bytes: ArraySlice<UInt8>) {
    let start = bytes.startIndex
    guard bytes.count >= Self.headerLength + 8 else { return nil }
    type = bytes[start]
    identifier = UInt16(bytes[start + 4]) << 8 | UInt16(bytes[start + 5])
    token = bytes[(start + Self.headerLength)..<(start + Self.headerLength + 8)].reduce(0) { $0 << 8 | UInt64($1) }
  }

  init(type: UInt8, identifier: UInt16, token: UInt64) {
    (self.type, self.identifier, self.token) = (type, identifier, token)
  }

  /// RFC 1071, over an even number of bytes.
  private static func checksum(_ bytes: [UInt8]) -> UInt16 {
    var sum: UInt32 = 0
    for index in stride(from: 0, to: bytes.count - 1, by: 2) {
      sum += UInt32(bytes[index]) << 8 | UInt32(bytes[index + 1])
    }
    sum = (sum & 0xffff) + sum >> 16
    return ~UInt16(truncatingIfNeeded: sum + sum >> 16)
  }
}

/// An echo request and its reply.
struct Echo: Conversation {
  let family: IPAddress.Family
  let identifier: UInt16
  let token: UInt64

  var opening: [UInt8] {
    let type = family == .v4 ? EchoMessage.v4Request : EchoMessage.v6Request
    return EchoMessage(type: type, identifier: identifier, token: token).bytes
  }

  var expectsAnswer: Bool { true }

  /// A raw socket hands IPv4 over with its header, IPv6 without. Whatever is not the reply is passed over.
  func judge(_ answer: [UInt8]) -> Outcome? {
    let header = family == .v4 ? answer.first.map { Int($0 & 15) * 4 } ?? 0 : 0
    guard header <= answer.count, let message = EchoMessage(answer[header...]) else { return nil }
    let reply = family == .v4 ? EchoMessage.v4Reply : EchoMessage.v6Reply
    return message == EchoMessage(type: reply, identifier: identifier, token: token) ? .good("echoed") : nil
  }
}
