import LVS

/// An Ethernet II header without its 802.1Q tag, which the kernel takes out of frames before it lends them.
///
///      0                   6                  12      14
///     +-------------------+-------------------+-------+
///     |   destination     |      source       | type  |
///     +-------------------+-------------------+-------+
enum Ethernet {
  static let length = 14
  static let destination = 0
  static let source = 6
  static let type = 12
  /// Of an 802.1Q tag, which stands before the type.
  static let tagLength = 4

  static let ipv4: UInt16 = 0x0800
  static let arp: UInt16 = 0x0806
  static let vlan: UInt16 = 0x8100
  static let ipv6: UInt16 = 0x86dd

  /// Sends a frame on: both addresses are rewritten, the rest stays.
  @inline(__always)
  static func readdress(_ frame: Bytes, from source: MACAddress, to destination: MACAddress) {
    frame.set(Ethernet.destination, destination)
    frame.set(Ethernet.source, source)
  }

  /// Turns a frame round to its sender.
  @inline(__always)
  static func answer(_ frame: Bytes, from source: MACAddress) {
    readdress(frame, from: source, to: frame.mac(Ethernet.source))
  }
}

extension Ethernet {
  /// A frame of our own with an 802.1Q tag, where there is a VLAN.
  static func tagged(_ frame: [UInt8], vlan: UInt16?) -> [UInt8] {
    guard let vlan, frame.count >= type else { return frame }
    let tag = [UInt8(Ethernet.vlan >> 8), UInt8(Ethernet.vlan & 0xff), UInt8(vlan >> 8), UInt8(vlan & 0xff)]
    return frame[..<type] + tag + frame[type...]
  }

  /// A frame without its 802.1Q tag, and the tag where it had one; nil for a frame that is too short to tell.
  static func untagged(_ frame: [UInt8]) -> (tag: UInt16?, frame: [UInt8])? {
    guard frame.count >= length else { return nil }
    guard UInt16(frame[type]) << 8 | UInt16(frame[type + 1]) == vlan, frame.count >= length + 4 else {
      return (nil, frame)
    }
    return (UInt16(frame[length]) << 8 | UInt16(frame[length + 1]), Array(frame[..<type] + frame[(type + 4)...]))
  }
}
