import LVS

/// A datagram of the kernel's connection synchronization, which a master sends to a multicast group.
///
/// Version 1, all in network order; the size is the whole datagram's:
///
///     |  reserved 0   |    sync ID    |             size              |
///     | record count  |   version 1   |            spare 0            |
///
/// Version 0, which is read only:
///
///     | record count  |    sync ID    |             size              |
public enum SyncDatagram {
  static let headerLength = 8
  static let headerLengthV0 = 4
  private static let version: UInt8 = 1

  /// What a datagram brought.
  public struct Content: Equatable, Sendable {
    public var records: [FlowRecord] = []
    /// Whole records that cannot be taken: unknown protocols, states or options that must be known.
    public var rejected = 0
    /// Whether its end could not be read.
    public var isDamaged = false
  }

  /// Why nothing of a datagram is taken.
  public enum Refusal: String, Error, CaseIterable, Sendable {
    /// Its size is not what it says.
    case wrongSize = "wrong_size"
    /// It is of another group of directors.
    case otherID = "other_id"
  }

  /// - Parameter id: the sync ID that is listened to; 0 listens to all.
  public static func parse(_ bytes: [UInt8], id: UInt8) throws(Refusal) -> Content {
    guard bytes.count >= headerLengthV0, Int(bytes[2]) << 8 | Int(bytes[3]) == bytes.count else { throw .wrongSize }
    guard id == 0 || bytes[1] == id else { throw .otherID }
    return isVersion1(bytes) ? parseVersion1(bytes) : parseVersion0(bytes)
  }

  private static func isVersion1(_ bytes: [UInt8]) -> Bool {
    bytes.count >= headerLength && bytes[0] == 0 && bytes[5] == version && bytes[6] == 0 && bytes[7] == 0
  }

  private static func parseVersion1(_ bytes: [UInt8]) -> Content {
    var content = Content()
    var at = headerLength
    for _ in 0..<bytes[4] {
      guard let size = at < bytes.count ? SyncRecord.size(bytes[at...]) : nil,
        content.take(SyncRecord.parse(bytes[at..<at + size]))
      else {
        content.isDamaged = true
        return content
      }
      at = (at + size + 3) & ~3
    }
    return content
  }

  private static func parseVersion0(_ bytes: [UInt8]) -> Content {
    var content = Content()
    var at = headerLengthV0
    for _ in 0..<bytes[0] {
      guard let size = at < bytes.count ? SyncRecordV0.size(bytes[at...]) : nil,
        content.take(SyncRecordV0.parse(bytes[at..<at + size]))
      else {
        content.isDamaged = true
        return content
      }
      at += size
    }
    return content
  }

  static func header(id: UInt8, count: UInt8, size: UInt16) -> [UInt8] {
    [0, id, UInt8(size >> 8), UInt8(truncatingIfNeeded: size), count, version, 0, 0]
  }
}

extension SyncDatagram.Content {
  /// Whether what follows can be believed.
  fileprivate mutating func take(_ outcome: SyncRecord.Outcome) -> Bool {
    switch outcome {
    case .record(let record): records.append(record)
    case .rejected: rejected += 1
    case .damaged: return false
    }
    return true
  }
}
