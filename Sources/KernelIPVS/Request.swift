import IPVSMessages

/// One request: a command with its attributes. A dump asks for all there is.
struct Request: Hashable, Sendable {
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
      type: family, flags: flags, sequence: sequence, [command.rawValue, IPVSFamily.version, 0, 0] + attributes)
  }
}
