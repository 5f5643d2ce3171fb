import LVS
import Testing

@testable import Director

/// What a malformed frame is refused for. Each case changes one thing of a good one.
@Suite("Malformed packets")
struct PacketTests {
  typealias Change = @Sendable (inout [UInt8]) -> Void

  static let cases: [(String, Change, DropReason)] = [
    ("a runt", { $0.removeLast($0.count - 13) }, .truncatedFrame),
    ("no room for an IP header", { $0.removeLast($0.count - 33) }, .truncatedIp),
    ("version 5", { $0[14] = 0x55 }, .badIpHeader),
    ("a header of four words", { $0[14] = 0x44 }, .badIpHeader),
    ("a header longer than the packet", { $0[14] = 0x4f }, .badIpLength),
    ("a header checksum that is wrong", { $0[24] ^= 1 }, .badIpHeader),
    ("a total length below the header's", { set(&$0, 16, 19) }, .badIpLength),
    ("a total length beyond the frame", { set(&$0, 16, 41) }, .badIpLength),
    (
      "half a TCP header",
      {
        set(&$0, 16, 39)
        mend(&$0)
      }, .truncatedTransport
    ),
  ]

  private static func mend(_ frame: inout [UInt8]) {
    set(&frame, 24, 0)
    set(&frame, 24, sum(Array(frame[14..<34])))
  }

  private func director() throws -> TestDirector {
    let director = try TestDirector()
    for key in ["tcp:10.1.0.100:80", "udp:10.1.0.100:53", "sctp:10.1.0.100:80"].map({ ServiceKey($0)! }) {
      try director.apply(
        .addService(VirtualService(key), force: false),
        .addServer(RealServer(TestDirector.server(1, port: key.port), mac: TestDirector.mac(1)), to: key))
    }
    return director
  }

  @Test("are dropped for their reason", arguments: cases.indices)
  func malformed(_ index: Int) throws {
    let (name, change, reason) = Self.cases[index]
    var frame = TestFrame().tcp("S", from: 1_000, to: 80)
    change(&frame)
    #expect(try director().process(frame).verdict == .drop(reason), "\(name)")
  }

  @Test("whose transport's header lies go on to the real server, as a kernel has it, but are never answered")
  func lies() throws {
    let director = try director()
    for (place, value) in [(46, 0x40), (46, 0x60), (46, 0xf0)] as [(Int, UInt8)] {
      for (port, verdict) in [(80, nil), (81, .drop(.badTransportHeader))] as [(UInt16, Verdict?)] {
        var tcp = TestFrame().tcp("S", from: 1_000, to: port)
        tcp[place] = value
        let came = director.process(tcp).verdict
        #expect(verdict.map { came == $0 } ?? came.isSent)
      }
    }
    for length: UInt16 in [0, 7, 13, 65_535] {
      for (port, verdict) in [(53, nil), (54, .drop(.badTransportHeader))] as [(UInt16, Verdict?)] {
        var udp = TestFrame().udp(from: 1_000, to: port)
        set(&udp, 38, length)
        let came = director.process(udp).verdict
        #expect(verdict.map { came == $0 } ?? came.isSent)
      }
    }
    var sctp = TestFrame().sctp(chunk: 1, from: 1_000, to: 80)
    set(&sctp, 48, 3)
    #expect(director.process(sctp).verdict.isSent)
  }

  @Test("may have padding behind them, and options within")
  func padding() throws {
    let director = try director()
    #expect(director.outcome(TestFrame().tcp("S", from: 1_000, to: 80) + [0, 0, 0, 0, 0, 0]) == "1")
    var options = TestFrame().tcp("S", from: 1_000, to: 80)
    options.insert(contentsOf: [1, 1, 1, 0], at: 34)
    options[14] = 0x46
    set(&options, 16, 44)
    set(&options, 24, 0)
    set(&options, 24, sum(Array(options[14..<38])))
    #expect(director.outcome(options) == "1")
  }
}

@Suite("The Internet checksum")
struct ChecksumTests {
  @Test("is the plain sum's, at any length and place")
  func plain() {
    var random = SplitMix64(seed: 5)
    for length in 0..<200 {
      var bytes = (0..<length + 3).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      for start in 0..<3 {
        let expected = sum(Array(bytes[start..<start + length]))
        let found = bytes.lend { bytes in
          (Checksum.finish(Checksum.sum(bytes, start, length)), length: bytes.count)
        }
        #expect(found == expected)
      }
    }
  }

  @Test("is mended for a changed word as if it were computed anew (RFC 1624)")
  func mended() {
    var random = SplitMix64(seed: 6)
    for _ in 0..<20_000 {
      var words = (0..<4).map { _ in UInt16(truncatingIfNeeded: random.next()) }
      func bytes() -> [UInt8] { words.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] } }
      let before = sum(bytes())
      let old = words[1]
      words[1] = UInt16(truncatingIfNeeded: random.next())
      let mended = Checksum.updated(before, from: old, to: words[1])
      // 0 and 0xffff are the same number; of which one it is only a sum of zeros decides.
      #expect(mended == sum(bytes()) || mended == ~sum(bytes()) && (mended == 0 || mended == 0xffff))
    }
  }
}
