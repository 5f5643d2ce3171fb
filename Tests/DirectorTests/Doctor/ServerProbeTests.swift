import LVS
import Testing

@testable import Director

@Suite("Probing real servers")
struct ServerProbeTests {
  private static let director = MACAddress(0x0200_0000_0201)
  private static let target = ServerProbe.Target(
    server: IPAddress("10.77.0.21")!, mac: MACAddress(0x0200_0000_0301),
    virtual: Endpoint(IPAddress("10.77.0.100")!, 80),
    transport: .tcp, sender: IPAddress("10.77.0.2")!)

  /// What a server sends back in the VIP's name.
  private static var reply: TestFrame { TestFrame(source: target.virtual.address, destination: target.sender) }

  private func hear(_ frames: [[UInt8]], _ target: ServerProbe.Target = target) -> (ProbeResult, [[UInt8]]) {
    var probe = ServerProbe([target], from: Self.director, mtu: 1500)
    var sent: [[UInt8]] = []
    for var frame in frames {
      if let answer = frame.lend({ (probe.receive($0), length: $0.count) }) { sent.append(answer) }
    }
    return (probe.results[0], sent)
  }

  private static func echo(_ identifier: UInt16, from source: IPAddress = target.virtual.address) -> [UInt8] {
    let frame = TestFrame(source: source, destination: target.sender)
    var message: [UInt8] = [0, 0, 0, 0, UInt8(identifier >> 8), UInt8(identifier & 0xff), 0, 1]
    set(&message, 2, sum(message))
    return frame.ip(ICMP.number, message)
  }

  static let answers: [(String, [[UInt8]], ProbeResult.Outcome)] = [
    ("nothing", [], .silent), ("an echo of its own address", [echo(0x4000, from: target.server)], .withoutVIP),
    ("another host's echo of that kind", [echo(0x4000, from: IPAddress("10.77.0.9")!)], .silent),
    ("a SYN-ACK", [reply.tcp("SA", from: 80, to: 40_000)], .fine),
    ("a reset from the port", [reply.tcp("RA", from: 80, to: 40_000)], .refused),
    ("a reset from the closed port alone", [reply.tcp("RA", from: 1, to: 40_001)], .filtered),
    ("an echo alone", [echo(0)], .filtered),
    ("another host's echo", [echo(0, from: IPAddress("10.77.0.9")!)], .silent),
    ("an echo with a number of nobody", [echo(77)], .silent),
    ("a SYN-ACK to a port of nobody", [reply.tcp("SA", from: 80, to: 50_000)], .silent),
  ]

  @Test("understands what comes back", arguments: answers)
  func understands(what: String, frames: [[UInt8]], outcome: ProbeResult.Outcome) {
    #expect(hear(frames).0.outcome == outcome, Comment(rawValue: what))
  }

  @Test("ends the connection that it began")
  func ends() {
    let sent = hear([Self.reply.tcp("SA", from: 80, to: 40_000)]).1
    #expect(sent.count == 1 && sent[0][47] == TCP.rst)
    #expect(hear([Self.reply.tcp("RA", from: 80, to: 40_000)]).1.isEmpty, "a reset is not answered")
  }

  @Test("sends to the server's station with right checksums and one hop to live, as large as the MTU")
  func frames() {
    let frames = ServerProbe([Self.target], from: Self.director, mtu: 1500).frames
    #expect(frames.count == 5 && frames.map(\.count).max() == 1514)
    for frame in frames {
      var packet = Packet()
      var bytes = frame
      check(bytes.lend { (packet.parseNetwork($0) == nil && packet.parseTransport($0) == nil, length: $0.count) })
      #expect(Array(frame[..<6]) == [2, 0, 0, 0, 3, 1] && packet.ttl == 1)
      let isOwn = packet.kind == ICMP.echoRequest && frame[38] & 0x40 != 0
      let destination = isOwn ? Self.target.server : Self.target.virtual.address
      #expect(packet.source == Self.target.sender && packet.destination == destination)
      let pseudo =
        packet.transport == ICMP.number
        ? 0
        : Checksum.pseudoHeader(
          packet.source, packet.destination, transport: packet.transport, length: frame.count - 34)
      #expect(sum(Array(frame[34...]), pseudo) == 0)
    }
  }

  @Test("comes to no harm from any frame")
  func fuzz() {
    var generator = SplitMix64(seed: 7)
    let samples = Self.answers.flatMap(\.1)
    for round in 0..<20_000 {
      var frame = samples[round % samples.count]
      for _ in 0..<3 {
        frame[Int(generator.next() % UInt64(frame.count))] = UInt8(truncatingIfNeeded: generator.next())
      }
      frame.removeLast(Int(generator.next() % UInt64(frame.count)))
      _ = hear([frame])
    }
  }
}
