import LVS

/// A copy of a frame that outlives its batch: it waits for its server's address, or for its first fragment.
struct KeptFrame {
  /// The metadata that goes before the frame on its port, if any, and the frame without its 802.1Q tag.
  var octets: [UInt8]
  /// Where the Ethernet header begins.
  var header: Int
  var tag: UInt16?

  /// Lends the frame, with `room` behind it; the metadata stays out of sight.
  mutating func lend<Result>(room: Int = 0, _ body: (Bytes) -> (Result, length: Int)) -> Result {
    let header = header
    return octets.lend(room: room) { bytes in
      let (result, length) = body(bytes.dropping(header))
      return (result, length: header + length)
    }
  }

  /// Says that the frame is the director's own: nobody is to complete or cut it.
  mutating func clearMetadata() {
    for index in 0..<header { octets[index] = 0 }
  }

  /// As the port sends it: tagged, the offsets of the metadata moved accordingly.
  var wire: [UInt8] {
    guard let tag else { return octets }
    var tagged = Array(octets[..<header]) + Ethernet.tagged(Array(octets[header...]), vlan: tag)
    guard header == VirtioHeader.length else { return tagged }
    tagged.lend { bytes in
      VirtioHeader.shift(bytes, by: 4)
      return ((), length: bytes.count)
    }
    return tagged
  }
}

/// The metadata of `PACKET_VNET_HDR`: what is left to do to a frame (`struct virtio_net_hdr`, in the machine's order).
///
///     flags (1) | segmentation (1) | header length (2) | segment size (2) | checksum start (2) | offset (2)
enum VirtioHeader {
  static let length = 10
  static let needsChecksum: UInt8 = 1

  /// Moves what the header says to `distance` octets further on.
  static func shift(_ bytes: Bytes, by distance: UInt16) {
    func move(_ offset: Int) { bytes.setNative(offset, bytes.native16(offset) &+ distance) }
    if bytes.u8(0) & needsChecksum != 0 { move(6) }
    if bytes.u8(1) != 0 { move(2) }
  }
}
