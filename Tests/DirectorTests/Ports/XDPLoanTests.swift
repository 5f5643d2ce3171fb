import Testing

@testable import Director

@Suite("A frame in AF_XDP's memory")
struct XDPLoanTests {
  private let frame = (0..<60).map { UInt8($0) }

  /// The frame as the director sees it, and as it goes out when `length` bytes of it are left.
  private func carry(
    _ wire: [UInt8], length: Int? = nil, room: Int = 0
  ) -> (seen: [UInt8], tag: UInt16?, sent: [UInt8]) {
    var bytes = wire
    return bytes.lend(room: room) { bytes in
      let loan = XDPLoan(bytes, from: 0)
      let seen = loan.frame.array
      let sent = loan.wire(length ?? loan.frame.count).array
      return ((seen, loan.tag, sent), length: bytes.count)
    }
  }

  @Test("goes through as it is without a tag")
  func untagged() {
    let carried = carry(frame)
    #expect(carried.seen == frame && carried.tag == nil && carried.sent == frame)
  }

  @Test("is seen without its tag and leaves with it")
  func tagged() {
    let tagged = Ethernet.tagged(frame, vlan: 0xa007)
    let carried = carry(tagged)
    #expect(carried.seen == frame && carried.tag == 0xa007 && carried.sent == tagged)
  }

  @Test("may leave as an answer that is longer or shorter, its tag included", arguments: [20, 40, 70, 80])
  func answer(_ length: Int) {
    let carried = carry(Ethernet.tagged(frame, vlan: 7), length: length, room: 40)
    #expect(carried.sent.count == length + 4)
    #expect(Array(carried.sent[..<18]) == Array(Ethernet.tagged(frame, vlan: 7)[..<18]))
  }

  @Test("that is too short for a tag has none", arguments: [0, 1, 13, 14, 17])
  func short(_ count: Int) {
    let wire = Array(Ethernet.tagged(frame, vlan: 7)[..<count])
    #expect(carry(wire).seen == wire && carry(wire).tag == nil)
  }
}
