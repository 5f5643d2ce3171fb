import LVS
import Testing

@testable import Director

@Suite("Checksums that a sender left to its device")
struct PartialChecksumTests {
  private static func frame(_ isV4: Bool) -> TestFrame {
    var frame = TestFrame()
    if !isV4 {
      (frame.source, frame.destination) = (IPAddress("2001:db8::1")!, IPAddress("2001:db8::100")!)
    }
    return frame
  }

  private static func whole(_ transport: UInt8, _ length: Int, _ isV4: Bool) -> [UInt8] {
    let payload = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ length) }
    return transport == TCP.number
      ? frame(isV4).tcp("S", from: 1_000, to: 80, payload: length)
      : frame(isV4).udp(from: 1_000, to: 80, payload: payload)
  }

  /// As a local stack hands it over: the field holds the folded sum of the pseudo header.
  private static func partial(_ frame: [UInt8], _ transport: UInt8, _ isV4: Bool) -> [UInt8] {
    var frame = frame
    let start = 14 + (isV4 ? 20 : 40)
    let (from, to) = (Self.frame(isV4).source, Self.frame(isV4).destination)
    let pseudo = Checksum.pseudoHeader(from, to, transport: transport, length: frame.count - start)
    set(&frame, start + (transport == TCP.number ? TCP.checksum : UDP.checksum), ~sum([], pseudo))
    return frame
  }

  private static func director(_ leavesChecksums: Bool, _ isV4: Bool) throws -> TestDirector {
    let director = try TestDirector(leavesChecksums: leavesChecksums)
    let vip = Endpoint(frame(isV4).destination, 80)
    let server = Endpoint(IPAddress(isV4 ? "10.1.1.1" : "2001:db8::21")!, 80)
    for transport in [TransportProtocol.tcp, .udp, .sctp] {
      let service = ServiceKey.endpoint(transport, vip)
      try director.apply(
        .addService(VirtualService(service, scheduler: .rr), force: false),
        .addServer(RealServer(server, mac: TestDirector.mac(1)), to: service))
    }
    return director
  }

  @Test("are completed", arguments: [(TCP.number, true), (TCP.number, false), (UDP.number, true), (UDP.number, false)])
  func completed(_ transport: UInt8, _ isV4: Bool) throws {
    let (director, plain) = (try Self.director(true, isV4), try Self.director(false, isV4))
    for length in Array(0..<70) + [1_399, 1_400, 1_401, 1_402, 1_403] {
      let whole = Self.whole(transport, length, isV4)
      let left = Self.partial(whole, transport, isV4)
      let expected = plain.process(whole).frame
      #expect(director.process(left).frame == expected, "\(length) bytes")
      #expect(director.process(whole).frame == expected, "\(length) bytes, complete already")
      #expect(plain.process(left).frame != expected, "a port with metadata leaves them")
    }
  }

  @Test("of a fragment are not there to complete")
  func fragment() throws {
    let director = try Self.director(true, true)
    var datagram = Array(Self.partial(Self.whole(UDP.number, 64, true), UDP.number, true)[34...])
    let first = Self.frame(true).ip(UDP.number, datagram, fragment: IPv4.moreFragments)
    let sent = director.process(first)
    #expect(sent.verdict.isSent)
    datagram = Array(sent.frame[34...])
    #expect(datagram == Array(first[34...]))
  }

  @Test("of SCTP are completed where the field is zero")
  func sctp() throws {
    let director = try Self.director(true, true)
    let sent = director.process(Self.frame(true).sctp(chunk: SCTP.initiate, from: 1_000, to: 80))
    #expect(sent.verdict.isSent)
    let packet = Array(sent.frame[34...])
    var zeroed = packet
    zeroed.replaceSubrange(8..<12, with: [0, 0, 0, 0])
    let value = plainCRC(zeroed)
    #expect(Array(packet[8..<12]) == (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) })
  }

  @Test("CRC32c is that of the standard's test vectors (RFC 3720, B.4)")
  func vectors() {
    let vectors: [([UInt8], UInt32)] = [
      ([UInt8](repeating: 0, count: 32), 0x8a91_36aa), ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43),
      ((0..<32).map { UInt8($0) }, 0x46dd_794e), (Array("123456789".utf8), 0xe306_9283),
    ]
    for (bytes, expected) in vectors {
      var bytes = bytes
      let value = bytes.lend { (CRC32C.of($0, 0, $0.count), length: $0.count) }
      #expect(value == expected && plainCRC(bytes) == expected)
    }
  }

  /// Bit by bit.
  private func plainCRC(_ bytes: [UInt8]) -> UInt32 {
    var value = ~UInt32(0)
    for byte in bytes {
      value ^= UInt32(byte)
      for _ in 0..<8 { value = value & 1 == 0 ? value >> 1 : (value >> 1) ^ 0x82f6_3b78 }
    }
    return ~value
  }
}
