import LVS
import Testing

@testable import Director

/// Super-frames as a packet socket hands them over: `struct virtio_net_hdr`, then the frame.
@Suite("Super-frames")
struct SuperFrameTests {
  enum Kind: UInt8 {
    case none = 0
    case tcpV4 = 1
    case tcpV6 = 4
    case udp = 5
    case tcpV4WithECN = 0x81
    case ecnAlone = 0x80
  }

  /// A super-frame whose headers, as IP counts, are as long as told.
  struct Case: Sendable {
    var name: String
    var kind: Kind
    /// What the kernel says of the frame's linear part.
    var linear: UInt16
    var segment: UInt16
    var frame: [UInt8]
    var fits: Bool
  }

  private static let client6 = TestFrame(
    source: IPAddress("2001:db8::1")!, destination: IPAddress("2001:db8::100")!, dontFragment: true)
  private static let client = TestFrame(dontFragment: true)

  /// With the 12 bytes of options that TCP's timestamps take.
  private static func tcp(_ from: TestFrame, payload: Int) -> [UInt8] {
    var segment = Array(from.tcp("A", from: 1_000, to: 80)[(14 + (from.source.family == .v4 ? 20 : 40))...])
    segment[TCP.dataOffset] = 8 << 4
    return from.ip(TCP.number, segment + [UInt8](repeating: 1, count: 12 + payload))
  }

  /// With a hop-by-hop header before TCP's.
  private static func extended(payload: Int) -> [UInt8] {
    let whole = client6.tcp("A", from: 1_000, to: 80, payload: payload)
    return client6.ip(0, [TCP.number, 0, 1, 4, 0, 0, 0, 0] + Array(whole[54...]))
  }

  private static func udp(payload: Int) -> [UInt8] {
    client.udp(from: 1_000, to: 80, payload: [UInt8](repeating: 7, count: payload))
  }

  static let cases: [Case] = [
    Case(
      name: "payload in the linear part", kind: .tcpV4, linear: 1_514, segment: 1_448,
      frame: tcp(client, payload: 14_480), fits: true),
    Case(
      name: "headers alone in the linear part", kind: .tcpV4, linear: 66, segment: 1_448,
      frame: tcp(client, payload: 14_480), fits: true),
    Case(
      name: "all of it in the linear part", kind: .tcpV4, linear: 14_546, segment: 1_448,
      frame: tcp(client, payload: 14_480), fits: true),
    Case(
      name: "one byte too many for the way", kind: .tcpV4, linear: 66, segment: 1_449,
      frame: tcp(client, payload: 14_490), fits: false),
    Case(
      name: "congestion seen", kind: .tcpV4WithECN, linear: 1_514, segment: 1_448, frame: tcp(client, payload: 14_480),
      fits: true),
    Case(
      name: "IPv6", kind: .tcpV6, linear: 1_514, segment: 1_428, frame: tcp(client6, payload: 14_280), fits: true),
    Case(
      name: "IPv6, one byte too many", kind: .tcpV6, linear: 1_514, segment: 1_429,
      frame: tcp(client6, payload: 14_290), fits: false),
    Case(
      name: "an extension header", kind: .tcpV6, linear: 1_514, segment: 1_432, frame: extended(payload: 14_320),
      fits: true),
    Case(
      name: "an extension header, one byte too many", kind: .tcpV6, linear: 86, segment: 1_433,
      frame: extended(payload: 14_330), fits: false),
    Case(name: "UDP", kind: .udp, linear: 1_514, segment: 1_472, frame: udp(payload: 14_720), fits: true),
    Case(
      name: "UDP, one byte too many", kind: .udp, linear: 42, segment: 1_473, frame: udp(payload: 14_730), fits: false),
    Case(
      name: "a linear part beyond the frame", kind: .tcpV4, linear: .max, segment: 1_448,
      frame: tcp(client, payload: 14_480), fits: true),
    Case(
      name: "no linear part", kind: .tcpV4, linear: 0, segment: 1_448, frame: tcp(client, payload: 14_480), fits: true),
    Case(
      name: "pieces of nothing", kind: .tcpV4, linear: 66, segment: 0, frame: tcp(client, payload: 14_480), fits: false),
    Case(
      name: "pieces of nothing, not long", kind: .tcpV4, linear: 66, segment: 0, frame: tcp(client, payload: 1_448),
      fits: true),
    Case(
      name: "pieces longer than the whole", kind: .tcpV4, linear: 66, segment: .max, frame: tcp(client, payload: 1_448),
      fits: true),
    Case(
      name: "a size without a kind", kind: .ecnAlone, linear: 66, segment: 1_448, frame: tcp(client, payload: 14_480),
      fits: false),
  ]

  private static func director() throws -> TestDirector {
    let director = try TestDirector()
    for (transport, frame) in [(TransportProtocol.tcp, client), (.tcp, client6), (.udp, client)] {
      let service = ServiceKey.endpoint(transport, Endpoint(frame.destination, 80))
      let server = Endpoint(IPAddress(frame.source.family == .v4 ? "10.1.1.1" : "2001:db8::21")!, 80)
      try director.apply(
        .addService(VirtualService(service), force: false),
        .addServer(RealServer(server, mac: TestDirector.mac(1)), to: service))
    }
    for client in [client, client6] { _ = director.process(client.tcp("S", from: 1_000, to: 80)) }
    return director
  }

  private static func read(_ header: inout [UInt8], _ frame: [UInt8]) -> (FrameMetadata, [UInt8]) {
    var frame = frame
    let metadata = header.lend { header in
      (frame.lend { frame in (VirtioHeader.metadata(header, frame), length: frame.count) }, length: header.count)
    }
    return (metadata, frame)
  }

  private static func native(_ bytes: [UInt8], _ at: Int) -> Int { Int(bytes[at]) | Int(bytes[at + 1]) << 8 }

  @Test("are judged by the packets that they will be cut into", arguments: cases.indices)
  func judged(_ index: Int) throws {
    let sample = Self.cases[index]
    var header: [UInt8] = [0, sample.kind.rawValue, 0, 0, 0, 0, 0, 0, 0, 0]
    header.lend {
      $0.setNative(2, sample.linear)
      $0.setNative(4, sample.segment)
      return ((), length: 10)
    }
    let (metadata, frame) = Self.read(&header, sample.frame)
    let director = try Self.director()
    let (verdict, _) = director.process(frame, metadata)
    if sample.fits {
      #expect(verdict.isSent, "\(sample.name)")
    } else if case .answer = verdict {
      #expect(director.drops.dropped(.packetTooBig) == 0)
    } else {
      Issue.record("\(sample.name): \(verdict)")
    }
    // What goes out with the frame is nothing that the kernel would refuse it for.
    #expect(Self.native(header, 2) <= sample.frame.count, "\(sample.name)")
    #expect(header[1] & 0x7f == 0 || Self.native(header, 4) > 0, "\(sample.name)")
    #expect(header[1] & 0x7f != 0 || header[1] == 0, "\(sample.name)")
  }

  @Test("of each kind go on as they came where nothing is wrong with their header")
  func untouched() {
    let whole = Self.tcp(Self.client, payload: 14_480)
    for linear: UInt16 in [66, 1_514] {
      for kind: UInt8 in [1, 4, 5, 0x81, 0x84] {
        let before: [UInt8] = [1, kind, UInt8(linear & 255), UInt8(linear >> 8), 0xa8, 5, 34, 0, 16, 0]
        var header = before
        let (metadata, frame) = Self.read(&header, whole)
        #expect(header == before && frame == whole)
        #expect(metadata == FrameMetadata(segment: 1_448, isChecked: true))
      }
    }
  }

  @Test(
    "and ordinary frames have their checksum vouched for as the kernel says",
    arguments: [(0, false), (1, true), (2, true)])
  func vouched(_ flags: UInt8, _ isChecked: Bool) {
    var header: [UInt8] = [flags, 0, 0, 0, 0, 0, 34, 0, 16, 0]
    let (metadata, _) = Self.read(&header, Self.client.tcp("S", from: 1_000, to: 80))
    #expect(metadata == FrameMetadata(segment: 0, isChecked: isChecked))
  }

  @Test("of datagrams that were merged with their checksums have those left to the kernel")
  func mergedDatagrams() {
    var header: [UInt8] = [2, 5, 0xea, 5, 0xc0, 5, 0, 0, 0, 0]
    let whole = Self.udp(payload: 14_720)
    let (metadata, frame) = Self.read(&header, whole)
    #expect(metadata == FrameMetadata(segment: 1_472, isChecked: true))
    #expect(header == [1, 5, 0xea, 5, 0xc0, 5, 34, 0, 6, 0])
    let pseudo = Checksum.pseudoHeader(
      Self.client.source, Self.client.destination, transport: UDP.number, length: 14_728)
    #expect(Int(frame[40]) << 8 | Int(frame[41]) == Int(Checksum.fold(pseudo)))
    #expect(frame[..<40] == whole[..<40] && frame[42...] == whole[42...])
  }
}
