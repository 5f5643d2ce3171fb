import LVS
import Testing

@testable import Director

private let vip = IPAddress("2001:db8:1::a01")!
private let web = ServiceKey.endpoint(.tcp, Endpoint(vip, 80))
private let dns = ServiceKey.endpoint(.udp, Endpoint(vip, 53))

private func director(_ persistence: Persistence? = nil) throws -> TestDirector {
  let director = try TestDirector()
  for key in [web, dns] {
    let service = VirtualService(key, scheduler: .rr, persistence: key == web ? persistence : nil)
    try director.apply(.addService(service, force: false))
    for number in 1...3 {
      let address = IPAddress(v6: 0x2001_0db8_0001_0000, UInt64(number))
      try director.apply(
        .addServer(RealServer(Endpoint(address, key.port), mac: TestDirector.mac(number)), to: key))
    }
  }
  return director
}

private func from(_ client: String) -> TestFrame {
  var frame = TestFrame()
  (frame.source, frame.destination) = (IPAddress(client)!, vip)
  return frame
}

private func server(_ result: (verdict: Verdict, frame: [UInt8])) -> Int? {
  result.verdict.isSent ? Int(result.frame[5]) : nil
}

@Suite("IPv6")
struct IPv6Tests {
  @Test("is forwarded as IPv4 is: one hop less, two Ethernet addresses, all else untouched")
  func forward() throws {
    let director = try director()
    let frame = from("2001:db8::1").tcp("S", from: 1_000, to: 80)
    let result = director.process(frame)
    #expect(server(result) == 3)
    #expect(result.frame[Ethernet.length + IPv6.hopLimit] == 63)
    for offset in 12..<frame.count where offset != Ethernet.length + IPv6.hopLimit {
      #expect(result.frame[offset] == frame[offset])
    }
    #expect(server(director.process(from("2001:db8::1").tcp("A", from: 1_000, to: 80))) == 3)
    #expect(server(director.process(from("2001:db8::2").tcp("S", from: 1_000, to: 80))) == 2)
  }

  @Test(
    "finds the ports behind extension headers",
    arguments: [[0], [60], [0, 43, 60], [0, 0, 0, 0, 0, 0, 0]] as [[UInt8]])
  func extensions(_ chain: [UInt8]) throws {
    let tcp = Array(from("2001:db8::1").tcp("S", from: 1_000, to: 80)[54...])
    let headers = zip(chain, chain.dropFirst() + [6]).flatMap { [$0.1, 0, 1, 4, 0, 0, 0, 0] as [UInt8] }
    let frame = from("2001:db8::1").ip(chain[0], headers + tcp)
    #expect(server(try director().process(frame)) == 3)
  }

  @Test("is dropped where extension headers do not end, or end outside of the packet")
  func endless() throws {
    let director = try director()
    let chain = [UInt8]((0..<20).flatMap { _ in [0, 0, 1, 4, 0, 0, 0, 0] })
    #expect(director.process(from("2001:db8::1").ip(0, chain)).verdict == .drop(.extensionHeaders))
    #expect(director.process(from("2001:db8::1").ip(0, [6, 9, 1, 4, 0, 0, 0, 0])).verdict == .drop(.extensionHeaders))
    #expect(director.process(from("2001:db8::1").ip(0, [6, 0, 1])).verdict == .drop(.extensionHeaders))
  }

  @Test("is answered with ICMPv6: hop limit, size, port, ping")
  func errors() throws {
    let director = try director()
    var last = from("2001:db8::1")
    last.ttl = 1
    let large = from("2001:db8::1").tcp("S", from: 1_000, to: 80, payload: 1_441)
    let cases: [(frame: [UInt8], type: UInt8, code: UInt8, rest: [UInt8], length: Int)] = [
      (last.tcp("S", from: 1_000, to: 80), 3, 0, [0, 0, 0, 0], 14 + 40 + 8 + 60),
      (large, 2, 0, [0, 0, 5, 0xdc], 14 + 1_280),
      (from("2001:db8::1").udp(from: 1_000, to: 54), 1, 4, [0, 0, 0, 0], 14 + 40 + 8 + 52),
      (from("2001:db8::1").echo(), 129, 0, [0, 7, 0, 1], 14 + 40 + 12),
    ]
    for (frame, type, code, rest, length) in cases {
      let (verdict, result) = director.process(frame)
      #expect(verdict == .answer(length: length))
      #expect(Array(result[22..<54]) == vip.bytes + IPAddress("2001:db8::1")!.bytes)
      #expect((result[54], result[55]) == (type, code))
      #expect(Array(result[58..<62]) == rest)
      let pseudo = Checksum.pseudoHeader(vip, IPAddress("2001:db8::1")!, transport: 58, length: length - 54)
      #expect(sum(Array(result[54...]), pseudo) == 0)
    }
  }

  @Test("resets what no service wants")
  func reset() throws {
    let (verdict, result) = try director().process(from("2001:db8::1").tcp("S", from: 1_000, to: 81))
    #expect(verdict == .answer(length: 74))
    let pseudo = Checksum.pseudoHeader(vip, IPAddress("2001:db8::1")!, transport: 6, length: 20)
    #expect(sum(Array(result[54...]), pseudo) == 0)
    #expect(result[67] == 0x14)
  }

  @Test("keeps a /64 of clients at one server")
  func persistence() throws {
    let director = try director(Persistence(timeout: 100, netmask: .v6(64)))
    let clients = ["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:2::1", "2001:db8:0:1:ffff::"]
    #expect(clients.map { server(director.process(from($0).tcp("S", from: 1_000, to: 80))) } == [3, 3, 2, 3])
  }

  @Test("sends later fragments after the first, and an atomic fragment by itself")
  func fragments() throws {
    let director = try director()
    let datagram = Array(from("2001:db8::1").udp(from: 1_000, to: 53, payload: [UInt8](repeating: 7, count: 24))[54...])
    func fragment(_ place: [UInt8], _ payload: [UInt8], id: UInt8) -> [UInt8] {
      from("2001:db8::1").ip(44, [17, 0] + place + [0, 0, 0, id] + payload)
    }
    let later = fragment([0, 16], Array(datagram[16...]), id: 1)
    guard case .park = director.process(later).verdict else {
      Issue.record("an early fragment is not kept")
      return
    }
    #expect(server(director.process(fragment([0, 1], Array(datagram[..<16]), id: 1))) == 3)
    #expect(server(director.process(later)) == 3)
    #expect(server(director.process(fragment([0, 0], datagram, id: 2))) == 3)
  }

  @Test("carries ICMPv6 errors to the server of the flow that they quote")
  func related() throws {
    let director = try director()
    #expect(server(director.process(from("2001:db8::1").tcp("S", from: 1_000, to: 80))) == 3)
    var reply = TestFrame()
    (reply.source, reply.destination) = (vip, IPAddress("2001:db8::1")!)
    let quoted = Array(reply.tcp("A", from: 80, to: 1_000)[14...])
    for type in [1, 2, 3, 4] as [UInt8] {
      #expect(server(director.process(from("2001:db8:ffff::1").error(type: type, code: 0, about: quoted))) == 3)
    }
    for length in 0..<48 {
      let error = from("2001:db8:ffff::1").error(type: 2, code: 0, about: Array(quoted.prefix(length)))
      #expect(director.process(error).verdict == .drop(.badIcmp))
    }
  }
}
