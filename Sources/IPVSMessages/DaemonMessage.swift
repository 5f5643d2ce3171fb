import LVS

/// A daemon as the kernel reads and writes it (`IPVS_DAEMON_ATTR_*`).
package struct DaemonMessage: AttributeTable {
  package var state: UInt32?
  package var interface: String?
  package var syncID: UInt32?
  package var maxLength: UInt16?
  package var group: [UInt8]?
  package var group6: [UInt8]?
  /// In the order of the host, unlike every other port.
  package var port: UInt16?
  package var ttl: UInt8?

  package static let fields: [Field<Self>] = [
    .number(1, \.state), .text(2, \.interface, longest: 15), .number(3, \.syncID), .number(4, \.maxLength),
    .bytes(5, \.group), .bytes(6, \.group6), .number(7, \.port), .number(8, \.ttl),
  ]

  package init() {}

  /// What is 0 is left to the kernel's default.
  package init(_ daemon: SyncDaemon) {
    (state, interface, syncID) = (daemon.role.rawValue, daemon.interface, daemon.syncID)
    if daemon.maxLength != 0 { maxLength = daemon.maxLength }
    if daemon.port != 0 { port = daemon.port }
    if daemon.ttl != 0 { ttl = daemon.ttl }
    if daemon.group?.family == .v4 { group = daemon.group?.bytes }
    if daemon.group?.family == .v6 { group6 = daemon.group?.bytes }
  }

  /// - Throws: where the role, the interface or the number is missing.
  package func daemon() throws(MalformedMessage) -> SyncDaemon {
    guard let role = state.flatMap(SyncDaemon.Role.init), let interface, let syncID else { throw MalformedMessage() }
    return SyncDaemon(
      role, interface: interface, syncID: syncID, maxLength: maxLength ?? 0,
      group: group.flatMap { IPAddress(union: $0, .v4) } ?? group6.flatMap { IPAddress(union: $0, .v6) },
      port: port ?? 0, ttl: ttl ?? 0)
  }
}
