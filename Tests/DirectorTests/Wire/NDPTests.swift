import LVS
import Testing

@testable import Director

@Suite("Neighbor discovery messages")
struct NDPTests {
  static let asker = IPAddress("2001:db8::b")!
  static let vip = IPAddress("2001:db8::1:2345")!
  static let station = MACAddress(0x0200_0000_0a01)

  static let solicitation = NDP(
    kind: .solicitation, source: asker, destination: vip.solicitedNode, target: vip, mac: station)
  static let samples = [
    solicitation,
    NDP(kind: .solicitation, source: .unspecifiedV6, destination: vip.solicitedNode, target: vip),
    NDP(
      kind: .advertisement, source: vip, destination: asker, target: vip, mac: station, isSolicited: true,
      overrides: true),
    NDP(kind: .advertisement, source: vip, destination: .allNodes, target: vip, mac: station, overrides: true),
  ]

  static func parse(_ bytes: [UInt8]) -> NDP? {
    var bytes = bytes
    return bytes.lend { (NDP.parse($0), length: $0.count) }
  }

  /// The frame with other bytes at some offsets, and a checksum that is right again.
  static func altered(_ ndp: NDP, _ bytes: [Int: UInt8], appending: [UInt8] = []) -> [UInt8] {
    var frame = ndp.frame(from: station, to: nil) + appending
    for (offset, value) in bytes { frame[offset] = value }
    let length = frame.count - 54
    frame[18] = UInt8(length >> 8)
    frame[19] = UInt8(length & 0xff)
    set(&frame, 56, 0)
    let source = IPAddress(v6: word(frame, 22), word(frame, 30))
    let destination = IPAddress(v6: word(frame, 38), word(frame, 46))
    let pseudo = Checksum.pseudoHeader(source, destination, transport: 58, length: length)
    set(&frame, 56, sum(Array(frame[54...]), pseudo))
    return frame
  }

  private static func word(_ frame: [UInt8], _ offset: Int) -> UInt64 {
    frame[offset..<offset + 8].reduce(0) { $0 << 8 | UInt64($1) }
  }

  @Test("are taken apart as they were built", arguments: samples)
  func roundTrip(ndp: NDP) {
    #expect(Self.parse(ndp.frame(from: Self.station, to: nil)) == ndp)
  }

  @Test("are built over whatever was there before, with the bytes of RFC 4861")
  func builds() {
    var frame = [UInt8](repeating: 0xa5, count: NDP.frameLength)
    frame.lend {
      (Void(), length: Self.solicitation.write($0, from: Self.station, to: Self.vip.solicitedNode.groupMAC))
    }
    let expected: [UInt8] = [
      0x33, 0x33, 0xff, 0x01, 0x23, 0x45, 0x02, 0x00, 0x00, 0x00, 0x0a, 0x01, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255,
    ]
    #expect(Array(frame[..<22]) == expected)
    #expect(frame[54] == 135 && frame[55] == 0)
    #expect(Array(frame[58..<62]) == [0, 0, 0, 0])
    #expect(Array(frame[78...]) == [1, 1, 2, 0, 0, 0, 0x0a, 1])
    #expect(Self.altered(Self.solicitation, [:]) == frame, "the checksum of an independent sum")
  }

  @Test("are refused at every length that is too short", arguments: 0..<NDP.frameLength)
  func refusesTruncation(length: Int) {
    #expect(Self.parse(Array(Self.solicitation.frame(from: Self.station, to: nil).prefix(length))) == nil)
  }

  /// What is wrong, offsets with bytes, bytes behind the frame.
  static let lies: [(String, [Int: UInt8], [UInt8])] = [
    ("a hop limit of 254", [21: 254], []), ("a hop limit of 64", [21: 64], []), ("a code", [55: 1], []),
    ("an option without length", [79: 0], []), ("an option longer than the message", [79: 2], []),
    ("an option of 255 units", [79: 255], []), ("a second option without length", [:], [14, 0, 0, 0, 0, 0, 0, 0]),
    ("half an option", [:], [14]), ("a second option that is cut", [:], [14, 2, 0, 0, 0, 0, 0, 0]),
    ("a multicast target", [62: 0xff], []), ("a group as link-layer address", [80: 0x03], []),
    ("zeros as link-layer address", [80: 0, 84: 0, 85: 0], []), ("a group as source", [22: 0xff], []),
  ]

  @Test("with a lie are refused although the checksum is right", arguments: lies)
  func refusesLies(what: String, bytes: [Int: UInt8], appended: [UInt8]) {
    #expect(Self.parse(Self.altered(Self.solicitation, bytes, appending: appended)) == nil, Comment(rawValue: what))
  }

  @Test("with one wrong bit anywhere in the message are refused", arguments: 54..<NDP.frameLength)
  func refusesDamage(offset: Int) {
    var frame = Self.solicitation.frame(from: Self.station, to: nil)
    frame[offset] ^= 0x10
    #expect(Self.parse(frame) == nil)
  }

  @Test("with options that nobody knows are understood")
  func skipsOptions() {
    let frame = Self.altered(Self.solicitation, [:], appending: [14, 1, 1, 2, 3, 4, 5, 6])
    #expect(Self.parse(frame) == Self.solicitation)
  }

  @Test("that probe must go to the group and name no station")
  func probes() {
    let probe = NDP(kind: .solicitation, source: .unspecifiedV6, destination: Self.vip.solicitedNode, target: Self.vip)
    var (named, direct) = (probe, probe)
    named.mac = Self.station
    direct.destination = Self.vip
    #expect(Self.parse(probe.frame(from: Self.station, to: nil)) == probe)
    #expect(Self.parse(named.frame(from: Self.station, to: nil)) == nil)
    #expect(Self.parse(direct.frame(from: Self.station, to: nil)) == nil)
  }

  @Test("that answer are not sent to groups")
  func solicitedToGroup() {
    var answer = Self.samples[3]
    answer.isSolicited = true
    #expect(Self.parse(answer.frame(from: Self.station, to: nil)) == nil)
  }

  @Test("about joined groups carry the router alert and a right checksum")
  func listenerReport() {
    let source = Self.station.linkLocal
    #expect(source == IPAddress("fe80::ff:fe00:a01"))
    let frame = MLD.frame(joining: Self.vip.solicitedNode, from: Self.station, source)
    #expect(Array(frame[..<6]) == [0x33, 0x33, 0, 0, 0, 0x16])
    #expect(frame[20] == 0 && frame[21] == 1)
    #expect(Array(frame[54..<62]) == [58, 0, 5, 2, 0, 0, 1, 0])
    let pseudo = Checksum.pseudoHeader(source, IPAddress("ff02::16")!, transport: 58, length: 28)
    #expect(sum(Array(frame[62...]), pseudo) == 0)
    #expect(Array(frame[74...]) == Self.vip.solicitedNode.bytes)
  }
}
