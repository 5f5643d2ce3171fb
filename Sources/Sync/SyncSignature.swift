import Crypto

/// Signs datagrams with a key that directors share, which IPVS itself has no way to do.
///
/// The signature is the last option of the last record, marked as one that may be skipped, so that a kernel takes the
/// datagram too:
///
///     type 0x50 (1) | length 48 (1) | sender (8) | microseconds since 1970 (8) | HMAC-SHA-256 (32)
///
/// The code covers all of the datagram before itself, so the sender and the time too. A sender is a random number that
/// a process chooses when it starts; its times only grow.
public struct SyncSignature: Sendable {
  static let type: UInt8 = 0x50
  private static let codeLength = SHA256.byteCount
  private static let dataLength = 8 + 8 + codeLength
  public static let optionLength = 2 + dataLength

  /// What is signed, so that nothing of one kind passes for another.
  public enum Purpose: String, Sendable {
    case multicast = ""
    case question, answer
  }

  private let key: SymmetricKey
  /// Of what this process signs.
  public let sender: UInt64

  /// - Parameter key: any bytes; 32 random ones are as good as it gets.
  public init(key: [UInt8], for purpose: Purpose = .multicast, sender: UInt64 = .random(in: .min ... .max)) {
    self.key = SymmetricKey(data: key + purpose.rawValue.utf8)
    self.sender = sender
  }

  /// That of one of several streams of datagrams, each of which has times of its own.
  public func numbered(_ number: Int) -> SyncSignature {
    SyncSignature(key: key, sender: sender &+ UInt64(number))
  }

  /// Whether a sender is this one, or one of `count` that are numbered by it.
  public func isOwn(_ other: UInt64, count: Int) -> Bool { other &- sender < UInt64(count) }

  private init(key: SymmetricKey, sender: UInt64) { (self.key, self.sender) = (key, sender) }

  /// The datagram, whose sizes count the signature already, with it.
  func sign(_ datagram: [UInt8], now: UInt64) -> [UInt8] {
    var writer = WireWriter()
    writer.append(datagram)
    writer.append([Self.type, UInt8(Self.dataLength)])
    writer.append(sender)
    writer.append(now)
    let code = HMAC<SHA256>.authenticationCode(for: writer.bytes, using: key)
    return writer.bytes + Array(code)
  }

  /// Who signed a datagram, and when; nil where nobody did who has the key.
  public func verify(_ datagram: [UInt8]) -> (sender: UInt64, time: UInt64)? {
    guard datagram.count > Self.optionLength else { return nil }
    let option = datagram[(datagram.count - Self.optionLength)...]
    let covered = datagram.prefix(datagram.count - Self.codeLength)
    var reader = WireReader(option)
    guard reader.u8() == Self.type, reader.u8() == UInt8(Self.dataLength), let sender = reader.u64(),
      let time = reader.u64(), let code = reader.bytes(Self.codeLength),
      HMAC<SHA256>.isValidAuthenticationCode(Array(code), authenticating: Array(covered), using: key)
    else { return nil }
    return (sender, time)
  }
}

/// Tells signed datagrams that are seen for the first time from those that somebody recorded and sends again.
public struct ReplayGuard: Sendable {
  /// How far the clocks of directors may be apart, in microseconds.
  public static let tolerance: UInt64 = 30_000_000

  private var newest: [UInt64: UInt64] = [:]

  public init() {}

  /// Whether a datagram of this sender and time is new.
  ///
  /// - Parameter now: microseconds since 1970.
  public mutating func isNew(sender: UInt64, time: UInt64, now: UInt64) -> Bool {
    let distance = time > now ? time - now : now - time
    guard distance <= Self.tolerance else { return false }
    if let last = newest[sender], time <= last { return false }
    // A sender that was silent for so long can only be new again with a time that is.
    newest = newest.filter { now < $0.value || now - $0.value <= Self.tolerance }
    newest[sender] = time
    return true
  }
}
