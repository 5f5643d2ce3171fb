import LVS

/// What a host looks at before it answers a packet: nothing that was damaged on its way gets an answer. What only passes
/// through is not looked at, as a router does not: the real server is the host then.
extension Packet {
  /// What is wrong with the transport's header or checksum; nil where nothing is, and for a fragment, of which nobody
  /// can tell.
  func damage(_ frame: Bytes) -> DropReason? {
    guard fragment == .none else { return nil }
    let room = end - transportHeader
    switch transport {
    case TCP.number:
      guard (TCP.length...room).contains(TCP.headerLength(frame, transportHeader)) else { return .badTransportHeader }
      return metadata.isChecked || sums(frame, room) ? nil : .badChecksum
    case UDP.number:
      let length = Int(frame.u16(transportHeader + UDP.datagramLength))
      guard (UDP.length...room).contains(length) else { return .badTransportHeader }
      // None is allowed with IPv4 only (RFC 8200, 8.1).
      let hasNone = frame.u16(transportHeader + UDP.checksum) == 0
      return metadata.isChecked || (hasNone ? family == .v4 : sums(frame, length)) ? nil : .badChecksum
    case SCTP.number: return metadata.isChecked || SCTP.isIntact(frame, transportHeader, room) ? nil : .badChecksum
    case ICMP.number where family == .v4, ICMP.numberV6 where family == .v6:
      return metadata.isChecked || sums(frame, room) ? nil : .badChecksum
    default: return nil
    }
  }

  /// Whether the transport's first `length` bytes agree with the Internet checksum that is among them.
  private func sums(_ frame: Bytes, _ length: Int) -> Bool {
    let pseudo =
      transport == ICMP.number
      ? 0 : Checksum.pseudoHeader(source, destination, transport: transport, length: length)
    return Checksum.fold(Checksum.sum(frame, transportHeader, length, pseudo)) == 0xffff
  }
}
