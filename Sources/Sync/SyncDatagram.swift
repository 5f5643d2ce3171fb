import LVS

/// A datagram of the kernel's connection synchronization, which a master sends to a multicast group.
///
/// Version 1, all in network order; the size is the whole datagram's:
///
///     |  reserved 0   |    sync ID    |             size              |
///     | record count  |   version 1   |            spare 0            |
///
/// Version 0, which old kernels speak:
///
///     | record count  |    sync ID    |             size              |
public enum SyncDatagram {
  /// Of the protocol (`sync_version`).
  public enum Version: UInt8, Sendable {
    case zero, one

    var headerLength: Int { self == .zero ? 4 : 8 }

    func header(id: UInt8, count: UInt8, size: UInt16) -> [UInt8] {
      let size = [UInt8(size >> 8), UInt8(truncatingIfNeeded: size)]
      return self == .zero ? [count, id] + size : [0, id] + size + [count, rawValue, 0, 0]
    }
  }

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
    guard bytes.count >= Version.zero.headerLength, Int(bytes[2]) << 8 | Int(bytes[3]) == bytes.count else {
      throw .wrongSize
    }
    guard id == 0 || bytes[1] == id else { throw .otherID }
    return isVersion1(bytes) ? parseVersion1(bytes) : parseVersion0(bytes)
  }

  private static func isVersion1(_ bytes: [UInt8]) -> Bool {
    bytes.count >= Version.one.headerLength && bytes[0] == 0 && bytes[5] == Version.one.rawValue && bytes[6] == 0
      && bytes[7] == 0
  }

  private static func parseVersion1(_ bytes: [UInt8]) -> Content {
    var content = Content()
    var at = Version.one.headerLength
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
    var at = Version.zero.headerLength
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
