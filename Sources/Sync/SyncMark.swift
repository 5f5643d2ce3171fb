import LVS

/// A datagram without a record, in which IPVS finds nothing: by multicast a master says with it that it can be asked for
/// all that it knows; who asks says where to begin; the answer says how far it has come.
///
///     | header of version 1, no records (8) | "lbd1" (4) | part (4) | number (4) | signature, where there is a key
public struct SyncMark: Hashable, Sendable {
  private static let name = Array("lbd1".utf8)
  private static let length = SyncDatagram.Version.one.headerLength + name.count + 8

  /// A worker's table by its number; after them all, the templates.
  public var part: UInt32
  /// The first record of the part that is yet to be told.
  public var number: UInt32

  public static let start = SyncMark(part: 0, number: 1)
  /// All is told.
  public static let end = SyncMark(part: .max, number: 0)

  public init(part: UInt32, number: UInt32) { (self.part, self.number) = (part, number) }

  /// - Parameter now: microseconds since 1970, for the signature.
  public func datagram(id: UInt8, _ signature: SyncSignature?, now: UInt64) -> [UInt8] {
    let size = Self.length + (signature == nil ? 0 : SyncSignature.optionLength)
    var writer = WireWriter()
    writer.append(SyncDatagram.Version.one.header(id: id, count: 0, size: UInt16(size)))
    writer.append(Self.name)
    writer.append(part)
    writer.append(number)
    return signature?.sign(writer.bytes, now: now) ?? writer.bytes
  }

  /// nil where the datagram is none, or of another length than one is.
  public init?(_ datagram: [UInt8], isSigned: Bool) {
    let length = Self.length + (isSigned ? SyncSignature.optionLength : 0)
    let header = SyncDatagram.Version.one.headerLength
    guard datagram.count == length,
      Array(datagram.prefix(header)) == SyncDatagram.Version.one.header(id: datagram[1], count: 0, size: UInt16(length))
    else { return nil }
    var reader = WireReader(datagram[header...])
    guard reader.bytes(Self.name.count).map(Array.init) == Self.name, let part = reader.u32(), let number = reader.u32()
    else { return nil }
    self.init(part: part, number: number)
  }
}
