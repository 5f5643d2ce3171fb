import LVS

@testable import Director

/// Frames as a client, a router or a server would send them, built byte by byte.
struct TestFrame {
  static let client = MACAddress(0x0200_0000_00c1)
  static let director = MACAddress(0x0200_0000_0001)

  var source = IPAddress("192.0.2.1")!
  var destination = IPAddress("10.1.0.100")!
  var ttl: UInt8 = 64
  var dontFragment = false

  /// Flags as letters: S, A, F, R, P.
  func tcp(_ flags: String, from port: UInt16, to virtual: UInt16, payload: Int = 0) -> [UInt8] {
    let bits: [Character: UInt8] = ["F": 1, "S": 2, "R": 4, "P": 8, "A": 16]
    var segment =
      words(port, virtual) + [0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags.reduce(0) { $0 | (bits[$1] ?? 0) }, 0x20, 0]
    segment += [0, 0, 0, 0] + [UInt8](repeating: 0x61, count: payload)
    return ip(TCP.number, checksummed(segment, TCP.number, at: TCP.checksum))
  }

  func udp(from port: UInt16, to virtual: UInt16, payload: [UInt8] = [1, 2, 3, 4]) -> [UInt8] {
    let datagram = words(port, virtual, UInt16(UDP.length + payload.count), 0) + payload
    return ip(UDP.number, checksummed(datagram, UDP.number, at: UDP.checksum))
  }

  func sctp(chunk: UInt8, from port: UInt16, to virtual: UInt16) -> [UInt8] {
    var packet = words(port, virtual) + [0, 0, 0, 1, 0, 0, 0, 0, chunk, 0, 0, 4]
    let sum = packet.lend { (CRC32C.of($0, 0, $0.count), length: $0.count) }
    for place in 0..<4 { packet[SCTP.checksum + place] = UInt8(truncatingIfNeeded: sum >> (8 * place)) }
    return ip(SCTP.number, packet)
  }

  func echo(payload: [UInt8] = [1, 2, 3, 4]) -> [UInt8] {
    let (type, number) =
      source.family == .v4 ? (ICMP.echoRequest, ICMP.number) : (ICMP.echoRequestV6, ICMP.numberV6)
    return icmp(number, [type, 0, 0, 0, 0, 7, 0, 1] + payload)
  }

  /// An ICMP error about `packet`, an IP packet of a server's.
  func error(type: UInt8, code: UInt8, about packet: [UInt8]) -> [UInt8] {
    icmp(source.family == .v4 ? ICMP.number : ICMP.numberV6, [type, code, 0, 0, 0, 0, 0, 0] + packet)
  }

  private func icmp(_ number: UInt8, _ message: [UInt8]) -> [UInt8] {
    var message = message
    let pseudo =
      source.family == .v4
      ? 0 : Checksum.pseudoHeader(source, destination, transport: number, length: message.count)
    set(&message, ICMP.checksum, sum(message, pseudo))
    return ip(number, message)
  }

  /// A whole frame around a transport's bytes.
  func ip(_ transport: UInt8, _ payload: [UInt8], fragment: UInt16 = 0, id: UInt16 = 1) -> [UInt8] {
    let type = source.family == .v4 ? Ethernet.ipv4 : Ethernet.ipv6
    let ethernet = bytes(Self.director) + bytes(Self.client) + words(type)
    guard source.family == .v4 else {
      return ethernet + [0x60, 0, 0, 0] + words(UInt16(payload.count)) + [transport, ttl] + source.bytes
        + destination.bytes + payload
    }
    let flags = dontFragment ? fragment | IPv4.dontFragment : fragment
    var header = [0x45, 0] + words(UInt16(IPv4.length + payload.count), id, flags) + [ttl, transport, 0, 0]
    header += source.bytes + destination.bytes
    set(&header, IPv4.checksum, sum(header))
    return ethernet + header + payload
  }

  private func checksummed(_ segment: [UInt8], _ transport: UInt8, at offset: Int) -> [UInt8] {
    var segment = segment
    let pseudo = Checksum.pseudoHeader(source, destination, transport: transport, length: segment.count)
    set(&segment, offset, sum(segment, pseudo))
    return segment
  }

  private func words(_ values: UInt16...) -> [UInt8] { values.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] } }

  private func bytes(_ mac: MACAddress) -> [UInt8] {
    (0..<6).map { UInt8(truncatingIfNeeded: mac.value >> (40 - 8 * $0)) }
  }
}

/// The Internet checksum, plainly: what the tests hold the director's to.
func sum(_ bytes: [UInt8], _ initial: UInt64 = 0) -> UInt16 {
  var total = initial
  for (index, byte) in bytes.enumerated() { total += UInt64(byte) << (index % 2 == 0 ? 8 : 0) }
  while total >> 16 != 0 { total = total & 0xffff + total >> 16 }
  return ~UInt16(total)
}

func set(_ bytes: inout [UInt8], _ offset: Int, _ value: UInt16) {
  bytes[offset] = UInt8(value >> 8)
  bytes[offset + 1] = UInt8(value & 0xff)
}
