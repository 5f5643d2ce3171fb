import Testing

@testable import Director

@Suite("An IPv4 packet that is longer than its way carries")
struct IPv4FragmentationTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    /// Bytes of data, and of those behind the packet.
    var data: Int
    var padding = 0
    var mtu: Int
    /// Flags and offset of the packet itself.
    var fragment: UInt16 = 0
    var options: [UInt8] = []
    /// Of each fragment: bytes of data, flags and offset.
    var expected: [Piece]
    /// Of all but the first.
    var laterOptions: [UInt8] = []

    struct Piece: Equatable, Sendable {
      var data: Int
      var fragment: UInt16
    }

    var testDescription: String { name }
  }

  static let cases = [
    Case(
      name: "in two", data: 1_481, mtu: 1_500,
      expected: [.init(data: 1_480, fragment: 0x2000), .init(data: 1, fragment: 185)]),
    Case(
      name: "in three, all but the last of a multiple of eight bytes", data: 1_000, mtu: 420,
      expected: [
        .init(data: 400, fragment: 0x2000), .init(data: 400, fragment: 0x2032), .init(data: 200, fragment: 100),
      ]),
    Case(
      name: "an MTU that is no multiple of eight", data: 50, mtu: 47,
      expected: [
        .init(data: 24, fragment: 0x2000), .init(data: 24, fragment: 0x2003), .init(data: 2, fragment: 6),
      ]),
    Case(
      name: "padding behind it is left out", data: 41, padding: 9, mtu: 60,
      expected: [.init(data: 40, fragment: 0x2000), .init(data: 1, fragment: 5)]),
    Case(
      name: "a fragment in the midst of a datagram", data: 48, mtu: 44, fragment: 0x2064,
      expected: [.init(data: 24, fragment: 0x2064), .init(data: 24, fragment: 0x2067)]),
    Case(
      name: "the last fragment of a datagram", data: 47, mtu: 44, fragment: 0x0064,
      expected: [.init(data: 24, fragment: 0x2064), .init(data: 23, fragment: 0x67)]),
    Case(
      name: "only copied options are in later fragments", data: 32, mtu: 48 + 3,
      options: [7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0, 0],
      expected: [.init(data: 16, fragment: 0x2000), .init(data: 16, fragment: 2)],
      laterOptions: [1, 1, 1, 1, 1, 1, 1, 0x94, 4, 0, 0, 0]),
    Case(
      name: "options that lie about their length", data: 16, mtu: 32, options: [0x83, 0, 0, 7],
      expected: [.init(data: 8, fragment: 0x2000), .init(data: 8, fragment: 1)], laterOptions: [0x83, 0, 0, 7]),
    Case(
      name: "an option beyond the header", data: 16, mtu: 32, options: [1, 1, 1, 7],
      expected: [.init(data: 8, fragment: 0x2000), .init(data: 8, fragment: 1)], laterOptions: [1, 1, 1, 7]),
    Case(name: "no room for data", data: 16, mtu: 27, expected: []),
    Case(name: "data beyond a datagram's end", data: 1_481, mtu: 1_500, fragment: 0x1fff, expected: []),
  ]

  @Test("is cut into fragments that together are the packet", arguments: cases)
  func fragments(_ test: Case) {
    let data = (0..<test.data).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let frame = packet(data, test) + [UInt8](repeating: 0xa5, count: test.padding)
    let pieces = IPv4Fragmentation.frames(of: frame, mtu: test.mtu)
    let header = Ethernet.length + IPv4.length + test.options.count
    #expect(
      pieces.map { Case.Piece(data: $0.count - header, fragment: UInt16($0[20]) << 8 | UInt16($0[21])) }
        == test.expected)
    if !pieces.isEmpty { #expect(pieces.flatMap { $0[header...] } == data) }
    for (number, piece) in pieces.enumerated() {
      #expect(piece.count <= Ethernet.length + test.mtu)
      #expect(Int(piece[16]) << 8 + Int(piece[17]) == piece.count - Ethernet.length)
      #expect(sum(Array(piece[Ethernet.length..<header])) == 0)
      #expect(piece[..<16] == frame[..<16] && piece[18..<20] == frame[18..<20] && piece[22..<24] == frame[22..<24])
      #expect(piece[26..<34] == frame[26..<34])
      #expect(Array(piece[34..<header]) == (number == 0 ? test.options : test.laterOptions))
    }
  }

  private func packet(_ data: [UInt8], _ test: Case) -> [UInt8] {
    var frame = TestFrame().ip(UDP.number, data, fragment: test.fragment, id: 0x1234)
    frame.insert(contentsOf: test.options, at: Ethernet.length + IPv4.length)
    frame[Ethernet.length] += UInt8(test.options.count / 4)
    set(&frame, Ethernet.length + IPv4.totalLength, UInt16(frame.count - Ethernet.length))
    set(&frame, Ethernet.length + IPv4.checksum, 0)
    set(
      &frame, Ethernet.length + IPv4.checksum,
      sum(Array(frame[Ethernet.length..<Ethernet.length + IPv4.length + test.options.count])))
    return frame
  }

  @Test("has the checksum completed first that its sender left to hardware")
  func checksum() {
    let datagram = TestFrame().udp(from: 1_000, to: 80, payload: [UInt8](repeating: 7, count: 100))
    var partial = datagram
    let udp = Ethernet.length + IPv4.length
    let pseudo = Checksum.pseudoHeader(TestFrame().source, TestFrame().destination, transport: UDP.number, length: 108)
    set(&partial, udp + UDP.checksum, Checksum.fold(pseudo))
    var metadata = [UInt8](repeating: 0, count: VirtioHeader.length)
    (metadata[0], metadata[6], metadata[8]) = (VirtioHeader.needsChecksum, UInt8(udp), UInt8(UDP.checksum))
    let pieces = KeptFrame(bytes: metadata + partial, header: VirtioHeader.length, tag: 7).cut(mtu: 84)
    #expect(pieces.count == 2)
    #expect(pieces.allSatisfy { $0.bytes[..<VirtioHeader.length].allSatisfy { $0 == 0 } })
    #expect(pieces.flatMap { $0.bytes[(VirtioHeader.length + udp)...] } == Array(datagram[udp...]))
    #expect(pieces.allSatisfy { $0.tag == 7 })
  }
}
