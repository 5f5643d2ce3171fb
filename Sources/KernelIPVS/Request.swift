/// The requests of the generic-netlink family `IPVS` (linux/ip_vs.h, `IPVS_CMD_*`).
public enum Command: UInt8, Hashable, Sendable, CaseIterable {
  case newService = 1
  case setService = 2
  case deleteService = 3
  case getService = 4
  case newDestination = 5
  case setDestination = 6
  case deleteDestination = 7
  case getDestination = 8
  case newDaemon = 9
  case deleteDaemon = 10
  case getDaemon = 11
  case setTimeouts = 12
  case getTimeouts = 13
  /// Only ever an answer.
  case setInfo = 14
  case getInfo = 15
  case zero = 16
  case flush = 17
}

/// One request: a command with its attributes. A dump asks for all there is.
struct Request: Hashable, Sendable {
  static let headerLength = 20
  static let version: UInt8 = 1

  var command: Command
  var isDump = false
  var attributes: [UInt8] = []

  /// The whole message: netlink header, generic header, attributes.
  func bytes(family: UInt16, sequence: UInt32) -> [UInt8] {
    let flags: UInt16 =
      isDump
      ? NetlinkFlags.request | NetlinkFlags.acknowledge | NetlinkFlags.dump
      : NetlinkFlags.request | NetlinkFlags.acknowledge
    return netlinkMessage(
      type: family, flags: flags, sequence: sequence, [command.rawValue, Self.version, 0, 0] + attributes)
  }
}

enum NetlinkFlags {
  static let request: UInt16 = 0x1
  static let acknowledge: UInt16 = 0x4
  static let dump: UInt16 = 0x300
  /// In an answer: the table changed while it was dumped.
  static let interrupted: UInt16 = 0x10
  static let create: UInt16 = 0x400
  static let exclusive: UInt16 = 0x200
}

/// Puts the 16 bytes of netlink's header before the content. The sender's port is left to the kernel.
func netlinkMessage(type: UInt16, flags: UInt16, sequence: UInt32, _ content: [UInt8]) -> [UInt8] {
  let length = UInt32(truncatingIfNeeded: 16 + content.count)
  return length.hostBytes + type.hostBytes + flags.hostBytes + sequence.hostBytes + UInt32(0).hostBytes + content
}
