/// A connection synchronization daemon (`ipvsadm --start-daemon`): a master tells other directors of its connections, a
/// backup enters theirs.
public struct SyncDaemon: Hashable, Sendable, Codable {
  /// The raw values are the kernel's (`IP_VS_STATE_*`).
  public enum Role: UInt32, Hashable, Sendable, CaseIterable {
    case master = 1
    case backup = 2
  }

  public static let standardGroup = IPAddress(v4: 0xe000_0051)
  public static let standardPort: UInt16 = 8848

  public var role: Role
  /// The interface that the multicast goes out of or comes in by.
  public var interface: String
  /// 0 to 255; a backup with one takes only messages of the same.
  public var syncID: UInt32
  /// The largest message in bytes; 0: what fits the interface.
  public var maxLength: UInt16
  /// nil: 224.0.0.81.
  public var group: IPAddress?
  /// 0: 8848.
  public var port: UInt16
  /// 0: 1.
  public var ttl: UInt8

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case role, interface
    case syncID = "sync_id"
    case maxLength = "max_length"
    case group, port, ttl
  }

  public init(
    _ role: Role, interface: String = "", syncID: UInt32 = 0, maxLength: UInt16 = 0, group: IPAddress? = nil,
    port: UInt16 = 0, ttl: UInt8 = 0
  ) {
    (self.role, self.interface, self.syncID) = (role, interface, syncID)
    (self.maxLength, self.group, self.port, self.ttl) = (maxLength, group, port, ttl)
  }
}

extension SyncDaemon.Role: TextCodable {
  public static var kind: String { "a role of a sync daemon (master or backup)" }

  public init?(_ text: String) {
    guard let role = Self.allCases.first(where: { $0.description == text }) else { return nil }
    self = role
  }

  public var description: String { self == .master ? "master" : "backup" }

  public init(from decoder: any Decoder) throws { self = try Self.read(decoder) }
  public func encode(to encoder: any Encoder) throws { try write(to: encoder) }
}

/// What the sync daemons of a director are, and what they did since it started.
public struct SyncStatus: Hashable, Sendable, Codable {
  /// Those that run.
  public var daemons: [SyncDaemon]
  /// What the master sent: `records`, `datagrams`, `errors` where the system would not send, and datagrams
  /// that were `dropped` since too many waited.
  public var sent: [String: UInt64]
  /// What became of the datagrams that came.
  public var datagrams: [String: UInt64]
  /// What became of the records in those that were taken.
  public var records: [String: UInt64]
  /// What became of the streams by which directors ask each other for all that they know.
  public var streams: [String: UInt64]

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case daemons, sent, datagrams, records, streams
  }

  public init(
    daemons: [SyncDaemon], sent: [String: UInt64] = [:], datagrams: [String: UInt64] = [:],
    records: [String: UInt64] = [:], streams: [String: UInt64] = [:]
  ) {
    (self.daemons, self.sent, self.datagrams) = (daemons, sent, datagrams)
    (self.records, self.streams) = (records, streams)
  }
}
