package enum NetlinkFlags {
  package static let request: UInt16 = 0x1
  /// In an answer: there are more.
  package static let multi: UInt16 = 0x2
  package static let acknowledge: UInt16 = 0x4
  package static let dump: UInt16 = 0x300
  /// In an answer: the table changed while it was dumped.
  package static let interrupted: UInt16 = 0x10
  /// In an acknowledgment: it has the request's header only.
  package static let capped: UInt16 = 0x100
  package static let create: UInt16 = 0x400
  package static let exclusive: UInt16 = 0x200
}

/// The types of messages that are netlink's own.
package enum NetlinkType {
  package static let noOperation: UInt16 = 1
  package static let error: UInt16 = 2
  package static let done: UInt16 = 3
  package static let overrun: UInt16 = 4
  /// The family of generic netlink that knows the others (`GENL_ID_CTRL`).
  package static let control: UInt16 = 0x10
}

/// Netlink's header of 16 bytes, in the order of the host.
///
///      0               4       6       8               12              16
///     +---------------+-------+-------+---------------+---------------+
///     | length        | type  | flags | sequence      | sender's port |
///     +---------------+-------+-------+---------------+---------------+
package struct NetlinkHeader: Hashable, Sendable {
  package static let size = 16
  /// With the header of generic netlink: command, version, 16 bits that are 0.
  package static let genericSize = 20

  /// Of the whole message, without the padding after it.
  package var length: UInt32
  package var type: UInt16
  package var flags: UInt16
  package var sequence: UInt32
  package var port: UInt32

  package init(length: Int, type: UInt16, flags: UInt16, sequence: UInt32, port: UInt32 = 0) {
    self.length = UInt32(truncatingIfNeeded: length)
    (self.type, self.flags, self.sequence, self.port) = (type, flags, sequence, port)
  }

  /// nil where there are too few bytes.
  package init?(_ bytes: ArraySlice<UInt8>) {
    guard let length = UInt32(hostBytes: bytes), let type = UInt16(hostBytes: bytes.dropFirst(4)),
      let flags = UInt16(hostBytes: bytes.dropFirst(6)), let sequence = UInt32(hostBytes: bytes.dropFirst(8)),
      let port = UInt32(hostBytes: bytes.dropFirst(12))
    else { return nil }
    (self.length, self.type, self.flags, self.sequence, self.port) = (length, type, flags, sequence, port)
  }

  package var bytes: [UInt8] {
    length.hostBytes + type.hostBytes + flags.hostBytes + sequence.hostBytes + port.hostBytes
  }
}

/// Puts netlink's header before the content. The sender's port is left to the kernel where it is 0.
package func netlinkMessage(
  type: UInt16, flags: UInt16, sequence: UInt32, port: UInt32 = 0, _ content: [UInt8]
) -> [UInt8] {
  NetlinkHeader(
    length: NetlinkHeader.size + content.count, type: type, flags: flags, sequence: sequence, port: port
  ).bytes + content
}
