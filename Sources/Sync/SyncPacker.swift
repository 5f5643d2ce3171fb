import LVS

/// Packs records into datagrams of at most a given length, in the order they come.
///
/// Whoever owns it decides when what is begun goes out: IPVS lets a datagram wait for two seconds at most.
public struct SyncPacker {
  /// The least that a datagram must hold, and the most: a record's count has eight bits, a datagram's size sixteen.
  public static let lengths =
    SyncDatagram.Version.one.headerLength + SyncRecord.largest + SyncSignature.optionLength...65_507
  private static let mostRecords = 255

  private let id: UInt8
  private let version: SyncDatagram.Version
  private let limit: Int
  private let signature: SyncSignature?
  private var bytes: [UInt8] = []
  private var count = 0
  /// Where the last record begins.
  private var last = 0

  /// - Parameters:
  ///   - id: the sync ID of the datagrams, 0 to 255.
  ///   - limit: their greatest length in bytes, in `lengths`: what a packet of the interface holds.
  ///   - version: of the protocol. What is signed is of version 1, since version 0 has no room for a signature.
  ///   - signature: what signs each datagram; nil leaves it as IPVS has it.
  public init(id: UInt8, limit: Int, version: SyncDatagram.Version = .one, signature: SyncSignature? = nil) {
    precondition(Self.lengths.contains(limit))
    (self.id, self.signature) = (id, signature)
    self.version = signature == nil ? version : .one
    self.limit = limit - (signature == nil ? 0 : SyncSignature.optionLength)
    reset()
  }

  public var isEmpty: Bool { count == 0 }

  /// Whether the protocol's version has a way to tell of a record: version 0 knows IPv4 only.
  public func takes(_ record: FlowRecord) -> Bool { version == .one || record.family == .v4 }

  /// Adds a record that it takes. Where it does not fit, the datagram before it is finished and returned.
  public mutating func add(_ record: FlowRecord, now: UInt64) -> [UInt8]? {
    let written = version == .one ? SyncRecord.write(record) : SyncRecordV0.write(record)
    var full: [UInt8]?
    if count == Self.mostRecords || padded + written.count > limit { full = finish(now: now) }
    bytes.append(contentsOf: repeatElement(0, count: padded - bytes.count))
    last = bytes.count
    bytes.append(contentsOf: written)
    count += 1
    return full
  }

  private var padded: Int { (bytes.count + 3) & ~3 }

  /// The datagram that was begun, and begins another; nil where there is no record in it.
  ///
  /// - Parameter now: microseconds since 1970, for the signature.
  public mutating func finish(now: UInt64) -> [UInt8]? {
    guard count > 0 else { return nil }
    defer { reset() }
    if signature != nil { lengthenLast(by: SyncSignature.optionLength) }
    let size = bytes.count + (signature == nil ? 0 : SyncSignature.optionLength)
    bytes.replaceSubrange(
      0..<version.headerLength, with: version.header(id: id, count: UInt8(count), size: UInt16(size)))
    return signature?.sign(bytes, now: now) ?? bytes
  }

  /// The signature is an option of the last record, whose size counts it.
  private mutating func lengthenLast(by length: Int) {
    let size = bytes.count - last + length
    bytes[last + 2] = UInt8(size >> 8)
    bytes[last + 3] = UInt8(truncatingIfNeeded: size)
  }

  private mutating func reset() {
    bytes = Array(repeating: 0, count: version.headerLength)
    (count, last) = (0, 0)
  }
}
