import LVS

/// A connection synchronisation daemon of the kernel (`ipvsadm --start-daemon`).
public struct SyncDaemon: Hashable, Sendable {
  public enum Role: UInt32, Hashable, Sendable {
    case master = 1
    case backup = 2
  }

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

  public init(
    _ role: Role, interface: String = "", syncID: UInt32 = 0, maxLength: UInt16 = 0, group: IPAddress? = nil,
    port: UInt16 = 0, ttl: UInt8 = 0
  ) {
    (self.role, self.interface, self.syncID) = (role, interface, syncID)
    (self.maxLength, self.group, self.port, self.ttl) = (maxLength, group, port, ttl)
  }
}

/// A daemon as the kernel reads and writes it (`IPVS_DAEMON_ATTR_*`). Its port is in the order of the host.
enum DaemonMessage {
  enum Attribute {
    static let state: UInt16 = 1
    static let interface: UInt16 = 2
    static let syncID: UInt16 = 3
    static let maxLength: UInt16 = 4
    static let group: UInt16 = 5
    static let group6: UInt16 = 6
    static let port: UInt16 = 7
    static let ttl: UInt16 = 8
  }

  /// What is 0 is left to the kernel's default.
  static func put(_ daemon: SyncDaemon, into writer: inout AttributeWriter) {
    writer.put(Attribute.state, number: daemon.role.rawValue)
    writer.put(Attribute.interface, text: daemon.interface)
    writer.put(Attribute.syncID, number: daemon.syncID)
    if daemon.maxLength != 0 { writer.put(Attribute.maxLength, number: daemon.maxLength) }
    if daemon.port != 0 { writer.put(Attribute.port, number: daemon.port) }
    if daemon.ttl != 0 { writer.put(Attribute.ttl, number: daemon.ttl) }
    if let group = daemon.group {
      writer.put(group.family == .v4 ? Attribute.group : Attribute.group6, group.bytes)
    }
  }

  static func read(_ attributes: Attributes) throws(MalformedMessage) -> SyncDaemon {
    guard let role = attributes.number(Attribute.state).flatMap(SyncDaemon.Role.init),
      let interface = attributes.text(Attribute.interface),
      let syncID = attributes.number(Attribute.syncID, as: UInt32.self)
    else { throw MalformedMessage() }
    var daemon = SyncDaemon(role, interface: interface, syncID: syncID)
    daemon.maxLength = attributes.number(Attribute.maxLength) ?? 0
    daemon.port = attributes.number(Attribute.port) ?? 0
    daemon.ttl = attributes.number(Attribute.ttl) ?? 0
    daemon.group =
      attributes.value(Attribute.group).flatMap { IPAddress(union: $0, .v4) }
      ?? attributes.value(Attribute.group6).flatMap { IPAddress(union: $0, .v6) }
    return daemon
  }
}
