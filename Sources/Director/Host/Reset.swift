import LVS

/// The reset that answers a TCP segment nobody wants (RFC 9293, section 3.10.7.1).
enum Reset {
  /// Turns a segment, which is none itself, into its reset in place.
  static func answer(_ frame: Bytes, _ packet: Packet, from mac: MACAddress) -> Verdict {
    let tcp = packet.transportHeader
    let header = TCP.headerLength(frame, tcp)
    let acknowledges = packet.tcpFlags & TCP.ack != 0
    let sequence = acknowledges ? frame.u32(tcp + TCP.acknowledgment) : 0
    let next =
      frame.u32(tcp + TCP.sequence) &+ UInt32(truncatingIfNeeded: packet.end - tcp - header)
      &+ (packet.tcpFlags & TCP.syn != 0 ? 1 : 0) &+ (packet.tcpFlags & TCP.fin != 0 ? 1 : 0)
    let start = packet.ip + (packet.family == .v4 ? IPv4.length : IPv6.length)
    guard let frame = frame.resized(to: start + TCP.length) else { return .drop(.unclaimed) }
    Ethernet.answer(frame, from: mac)
    if packet.family == .v4 {
      IPv4.write(
        frame, packet.ip, from: packet.destination, to: packet.source, transport: TCP.number, payload: TCP.length,
        dontFragment: true)
    } else {
      IPv6.write(frame, packet.ip, from: packet.destination, to: packet.source, next: TCP.number, payload: TCP.length)
    }
    write(frame, start, packet, sequence: sequence, acknowledgment: acknowledges ? nil : next)
    return .answer(length: start + TCP.length)
  }

  private static func write(_ frame: Bytes, _ tcp: Int, _ packet: Packet, sequence: UInt32, acknowledgment: UInt32?) {
    frame.set(tcp, packet.destinationPort)
    frame.set(tcp + 2, packet.sourcePort)
    frame.set(tcp + TCP.sequence, sequence)
    frame.set(tcp + TCP.acknowledgment, acknowledgment ?? 0)
    frame.set(tcp + TCP.dataOffset, UInt8(TCP.length / 4) << 4)
    frame.set(tcp + TCP.flags, acknowledgment == nil ? TCP.rst : TCP.rst | TCP.ack)
    frame.set(tcp + TCP.window, UInt32(0))
    frame.set(tcp + TCP.checksum + 2, UInt16(0))
    let pseudo = Checksum.pseudoHeader(packet.source, packet.destination, transport: TCP.number, length: TCP.length)
    frame.set(tcp + TCP.checksum, Checksum.finish(Checksum.sum(frame, tcp, TCP.length, pseudo)))
  }
}
