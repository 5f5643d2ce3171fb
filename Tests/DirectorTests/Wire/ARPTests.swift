import LVS
import Testing

@testable import Director

@Suite("ARP packets")
struct ARPTests {
  private static let asker = MACAddress(0x0200_0000_0a01)
  /// A request as tcpdump saw one: who has 10.77.0.100, tell 10.77.0.11.
  private static let request: [UInt8] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x00, 0x00, 0x0a, 0x01, 0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 0x06,
    0x04, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x0a, 0x01, 0x0a, 0x4d, 0x00, 0x0b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x0a, 0x4d, 0x00, 0x64,
  ]
  private static let parsed = ARP(
    operation: .request, senderMAC: asker, sender: IPAddress(v4: 0x0a4d_000b), targetMAC: .zero,
    target: IPAddress(v4: 0x0a4d_0064))

  private func parse(_ bytes: [UInt8]) -> ARP? {
    var bytes = bytes
    return bytes.lend { (ARP.parse($0), length: $0.count) }
  }

  @Test("are taken apart")
  func takesApart() {
    #expect(parse(Self.request) == Self.parsed)
    #expect(parse(Self.request + [UInt8](repeating: 0, count: 18)) == Self.parsed, "padded to 60 bytes")
  }

  @Test("are built over whatever was there before")
  func builds() {
    var frame = [UInt8](repeating: 0xa5, count: ARP.frameLength)
    frame.lend { (Self.parsed.write($0, to: .broadcast), length: $0.count) }
    #expect(frame == Self.request)
  }

  @Test("are refused at every length that is too short", arguments: 0..<ARP.frameLength)
  func refusesTruncation(length: Int) {
    #expect(parse(Array(Self.request.prefix(length))) == nil)
  }

  @Test(
    "that are not for IPv4 over Ethernet are refused",
    arguments: [(15, 6), (16, 0x86), (18, 8), (19, 16), (21, 3), (21, 0)] as [(Int, UInt8)])
  func refusesOthers(offset: Int, value: UInt8) {
    var frame = Self.request
    frame[offset] = value
    #expect(parse(frame) == nil)
  }
}
