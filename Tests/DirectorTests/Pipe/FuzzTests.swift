import LVS
import Testing

@testable import Director

/// Frames of all formats, and what chance makes of them.
private struct FrameGenerator {
  private var random: SplitMix64
  private let originals: [[UInt8]]

  init(seed: UInt64) {
    random = SplitMix64(seed: seed)
    originals = Self.originals
  }

  /// One frame: an original, mutilated in up to eight places, cut, or extended; now and then mere noise.
  mutating func next() -> [UInt8] {
    guard below(20) > 0 else { return (0..<below(200)).map { _ in UInt8(truncatingIfNeeded: random.next()) } }
    var frame = originals[below(originals.count)]
    for _ in 0..<below(9) where !frame.isEmpty { frame[below(frame.count)] = UInt8(truncatingIfNeeded: random.next()) }
    switch below(8) {
    case 0: frame.removeLast(below(frame.count + 1))
    case 1: frame += [UInt8](repeating: 0xff, count: below(64))
    default: break
    }
    // Half of what still looks like IPv4 gets a header checksum that holds, so that it is looked into.
    if below(2) == 0, frame.count >= 34, frame[12] == 8, frame[13] == 0 { mend(&frame) }
    return frame
  }

  private mutating func below(_ bound: Int) -> Int { Int(random.next(through: UInt64(max(bound, 1) - 1))) }

  private func mend(_ frame: inout [UInt8]) {
    let length = Int(frame[14] & 15) * 4
    guard length >= 20, frame.count >= 14 + length else { return }
    (frame[24], frame[25]) = (0, 0)
    set(&frame, 24, sum(Array(frame[14..<14 + length])))
  }

  private static var originals: [[UInt8]] {
    let frames = ["192.0.2.1", "2001:db8::99"].flatMap { source -> [[UInt8]] in
      var frame = TestFrame()
      frame.source = IPAddress(source)!
      frame.destination = IPAddress(frame.source.family == .v4 ? "10.1.0.100" : "2001:db8::100")!
      let segments = ["S", "A", "FA", "R", "SA"].map { frame.tcp($0, from: 1_000, to: 80, payload: 5) }
      let datagrams = [53, 54, 5_060].map {
        frame.udp(from: 1_000, to: $0, payload: Array("INVITE a\r\nCall-ID: x\r\n\r\n".utf8))
      }
      let associations = [1, 10, 6].map { frame.sctp(chunk: $0, from: 1_000, to: 80) }
      return segments + datagrams + associations + [frame.echo()] + errors(frame) + fragments(frame)
    }
    let arp = [1, 2].map { operation in
      [UInt8](repeating: 0xff, count: 6) + [2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 0, 0, 9]
        + [192, 0, 2, 9] + [0, 0, 0, 0, 0, 0] + [10, 1, 0, 100]
    }
    return frames + arp
  }

  private static func errors(_ frame: TestFrame) -> [[UInt8]] {
    var reply = frame
    (reply.source, reply.destination) = (frame.destination, frame.source)
    let packet = Array(reply.tcp("A", from: 80, to: 1_000)[14...])
    let types: [UInt8] = frame.source.family == .v4 ? [3, 11, 4, 5] : [1, 2, 3]
    return types.map { frame.error(type: $0, code: 0, about: packet) }
  }

  private static func fragments(_ frame: TestFrame) -> [[UInt8]] {
    let payload = [UInt8](repeating: 1, count: 48)
    guard frame.source.family == .v4 else {
      // Hop-by-hop, routing, fragment, destination options, then UDP.
      let chain: [UInt8] = [43, 0, 1, 4, 0, 0, 0, 0] + [44, 0, 0, 0, 0, 0, 0, 0] + [60, 0, 0, 1, 0, 0, 0, 7]
      return [
        frame.ip(0, chain + [17, 0, 1, 4, 0, 0, 0, 0] + payload), frame.ip(44, [17, 0, 0, 9, 0, 0, 0, 7] + payload),
      ]
    }
    return [0x2000, 0x2001, 0x0003, 0x1fff].map { frame.ip(17, payload, fragment: $0) }
  }
}

@Suite("The frame path, whatever comes")
struct FuzzTests {
  private let services = [
    "tcp:10.1.0.100:80", "udp:10.1.0.100:53", "sctp:10.1.0.100:80", "tcp:[2001:db8::100]:80", "udp:[2001:db8::100]:53",
  ]

  private func director() throws -> TestDirector {
    let director = try TestDirector(connections: 4_096, leavesChecksums: true)
    for (number, text) in services.enumerated() {
      let key = ServiceKey(text)!
      try director.apply(.addService(VirtualService(key, scheduler: SchedulerName.all[number]), force: false))
      for server in 1...3 {
        let address =
          key.family == .v4 ? TestDirector.server(server).address : IPAddress(v6: 0x2001_0db8_0000_0000, UInt64(server))
        try director.apply(
          .addServer(
            RealServer(Endpoint(address, key.port), mac: server == 3 ? nil : TestDirector.mac(server)), to: key))
      }
    }
    let sip = ServiceKey("udp:10.1.0.100:5060")!
    try director.apply(
      .addService(
        VirtualService(sip, persistence: Persistence(timeout: 10, netmask: .v4(0xffff_0000)), persistenceEngine: "sip"),
        force: false),
      .addServer(RealServer(TestDirector.server(1, port: 5_060), mac: TestDirector.mac(1)), to: sip))
    try director.set("schedule_icmp", "1")
    return director
  }

  @Test("says of frames in a batch what it says of each alone")
  func batches() throws {
    let (one, other) = (try director(), try director())
    var generator = FrameGenerator(seed: 3)
    for size in 0..<2_000 {
      let frames = (0...size % Director.batch).map { _ in generator.next() }
      let (together, alone) = (one.process(batch: frames), frames.map { other.process($0) })
      for (a, b) in zip(together, alone) where a != b { Issue.record("\(a) is not \(b)") }
      for director in [one, other] where size % 100 == 0 { director.wait(seconds: 1) }
    }
    #expect(one.connectionCount == other.connectionCount)
  }

  @Test("gives each frame a verdict, keeps its bounds and its counts", arguments: [1, 2] as [UInt64])
  func survive(_ seed: UInt64) throws {
    let director = try director()
    var generator = FrameGenerator(seed: seed)
    var verdicts: [String: Int] = [:]
    var count = 0
    let end = ContinuousClock.now + .seconds(15)
    while count < 2_000_000, count % 1_024 != 0 || ContinuousClock.now < end {
      count += 1
      let frame = generator.next()
      let (verdict, result) = director.process(frame)
      verdicts[check(verdict, frame, result, director), default: 0] += 1
      if count % 5_000 == 0 { director.wait(seconds: 1) }
    }
    print(
      "\(count) frames of seed \(seed): \(verdicts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))"
    )
    #expect(count > 10_000)
    #expect(Set(verdicts.keys).isSuperset(of: ["transmit", "answer", "pass", "hold", "park", "drop"]))
    let counted = services.map { ServiceKey($0)! }.flatMap { director.counts($0).values }.map { $0[1] + $0[2] }.reduce(
      0, +)
    let sip = director.counts(ServiceKey("udp:10.1.0.100:5060")!).values.map { $0[1] + $0[2] }.reduce(0, +)
    #expect(counted + sip == director.connectionCount)
    director.wait(seconds: 1_000)
    #expect(director.connectionCount == 0)
    #expect(director.templates.isEmpty)
  }

  /// What must hold of a verdict, and its name.
  private func check(_ verdict: Verdict, _ frame: [UInt8], _ result: [UInt8], _ director: TestDirector) -> String {
    switch verdict {
    case .transmit:
      if result.count != frame.count || Array(result[6..<12]) != [2, 0, 0, 0, 0, 1] {
        Issue.record("sent wrongly: \(frame)")
      }
      return "transmit"
    case .answer(let length):
      if result.count != length || length < Ethernet.length { Issue.record("answered wrongly: \(frame)") }
      return "answer"
    case .pass:
      if result != frame { Issue.record("passed, but changed: \(frame)") }
      return "pass"
    case .hold: return "hold"
    case .cut:
      let pieces = KeptFrame(bytes: result, header: 0).cut(mtu: director.link.mtu)
      if pieces.contains(where: { $0.bytes.count > Ethernet.length + director.link.mtu }) {
        Issue.record("cut wrongly: \(frame)")
      }
      return "cut"
    case .handOver: return "hand over"
    case .park:
      _ = director.park(frame)
      return "park"
    case .drop: return "drop"
    }
  }

  @Test("survives every truncation of every format")
  func truncations() throws {
    let director = try director()
    var generator = FrameGenerator(seed: 3)
    for _ in 0..<200 {
      let frame = generator.next()
      for length in 0...frame.count { _ = director.process(Array(frame[..<length])) }
    }
  }

  @Test("hears any ARP frame without believing what it did not ask")
  func neighborhood() {
    var neighborhood = Neighborhood(mac: TestFrame.director, addresses: [.init(IPAddress("10.1.0.2")!, length: 24)])
    let server = IPAddress("10.1.1.1")!
    neighborhood.vips.take(IPAddress("10.1.0.100")!, now: 0)
    neighborhood.neighbors.add(server, now: 0)
    var generator = FrameGenerator(seed: 4)
    for step in 0..<200_000 {
      var frame = generator.next()
      let count = frame.count
      _ = frame.lend(room: 64) { bytes in (neighborhood.receive(bytes, now: UInt64(step)), length: count) }
      if step % 1_000 == 0 { neighborhood.tick(UInt64(step)) }
      _ = neighborhood.drain()
    }
    #expect(neighborhood.neighbors.mac(server) == nil)
    #expect(neighborhood.vips.owns(IPAddress("10.1.0.100")!))
  }
}
