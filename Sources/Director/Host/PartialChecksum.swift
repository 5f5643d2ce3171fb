import LVS

/// Checksums that a sender left to its device, which never came to compute them since the packet did not leave the
/// machine by wire: TCP and UDP over veth or virtio, SCTP where the device claims to do its CRC32c.
///
/// AF_XDP gives no sign of it (packet sockets do, `VirtioHeader`). But the field holds the folded sum of the pseudo
/// header then, zero for SCTP. One good packet in 65,536 looks so too; computing its checksum again does no harm.
enum PartialChecksum {
  /// Completes the checksum of a whole packet where it was left undone. Apart from the rest of the pipe, since packet
  /// sockets carry it through as it is.
  @inline(never)
  static func complete(_ frame: Bytes, _ packet: Packet) {
    let field: Int
    switch packet.transport {
    case TCP.number: field = packet.transportHeader &+ TCP.checksum
    case UDP.number: field = packet.transportHeader &+ UDP.checksum
    case SCTP.number: return completeSCTP(frame, packet)
    default: return
    }
    let length = packet.end &- packet.transportHeader
    let pseudo = Checksum.pseudoHeader(packet.source, packet.destination, transport: packet.transport, length: length)
    guard frame.u16(field) == Checksum.fold(pseudo) else { return }
    compute(frame, packet, field, length)
  }

  /// The field, which holds the pseudo header's sum, is summed up with the rest.
  @inline(never)
  private static func compute(_ frame: Bytes, _ packet: Packet, _ field: Int, _ length: Int) {
    let (start, words) = (packet.transportHeader, length / 4)
    let whole = UInt64(UInt16(bigEndian: Checksum.fold(frame.sum(start, words: words))))
    let checksum = Checksum.finish(Checksum.sum(frame, start + words * 4, length - words * 4, whole))
    // A UDP checksum of zero would say that there is none (RFC 768).
    frame.set(field, checksum == 0 && packet.transport == UDP.number ? 0xffff : checksum)
  }

  @inline(never)
  private static func completeSCTP(_ frame: Bytes, _ packet: Packet) {
    let field = packet.transportHeader &+ SCTP.checksum
    guard frame.u32(field) == 0 else { return }
    // On the wire its first byte is the lowest (RFC 9260, appendix A).
    let checksum = CRC32C.of(frame, packet.transportHeader, packet.end &- packet.transportHeader)
    frame.set(field, checksum.byteSwapped)
  }
}
