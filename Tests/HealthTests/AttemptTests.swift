import Foundation
import LVS
import NIOCore
import NIOPosix
import NIOSSL
import Testing

@testable import Health

@Suite("TCP and UDP checks against real sockets")
struct SocketAttemptTests {
  @Test("A listener is up, a closed port is refused")
  func connection() async throws {
    let server = try await LoopbackServer()
    #expect(try await firstOutcome(patient(.tcp(.init())), port: server.port) == .good("connected"))
    await server.close()
    #expect(try await firstOutcome(patient(.tcp(.init())), port: server.port) == .bad("connection refused"))
  }

  @Test("What is sent arrives, what is expected may come in pieces")
  func dialogue() async throws {
    let server = try await LoopbackServer { channel, text in
      guard text == "PING\r\n" else { return }
      channel.say("+PO")
      channel.eventLoop.scheduleTask(in: .milliseconds(5)) { channel.say("NG\r\n") }
    }
    let dialogue = HealthCheck.Dialogue(send: Payload(#"PING\r\n"#), expect: Payload("+PONG"))
    #expect(try await firstOutcome(patient(.tcp(dialogue)), port: server.port) == .good("answered as expected"))
  }

  @Test("A server that hangs up, says nothing, or talks for ever fails, each in its own words")
  func mute() async throws {
    let closing = try await LoopbackServer(greet: { $0.close(promise: nil) })
    let silent = try await LoopbackServer()
    let talking = try await LoopbackServer(greet: { $0.sayForever(String(repeating: "x", count: 10_000)) })
    let dialogue = HealthCheck.Dialogue(expect: Payload("ok"))
    #expect(try await firstOutcome(patient(.tcp(dialogue)), port: closing.port) == .bad("closed by the server"))
    #expect(try await firstOutcome(hasty(.tcp(dialogue)), port: silent.port) == .bad("no answer within 300 ms"))
    #expect(
      try await firstOutcome(patient(.tcp(dialogue)), port: talking.port) == .bad("not what is expected in 65536 bytes")
    )
  }

  @Test("A server whose accept queue is full does not answer")
  func fullQueue() async throws {
    let server = try CrowdedServer()
    #expect(try await firstOutcome(hasty(.tcp(.init())), port: server.port) == .bad("no answer within 300 ms"))
  }

  @Test("UDP: an answer, another one, silence, a closed port")
  func datagrams() async throws {
    let echo = try await DatagramServer { $0 }
    let dialogue = HealthCheck.Dialogue(send: Payload("hello"), expect: Payload("ell"))
    #expect(try await firstOutcome(patient(.udp(dialogue)), port: echo.port) == .good("answered as expected"))
    let other = HealthCheck.Dialogue(send: Payload("hello"), expect: Payload("x"))
    #expect(try await firstOutcome(patient(.udp(other)), port: echo.port) == .bad("answered otherwise than expected"))
    let mute = try await DatagramServer { _ in nil }
    #expect(try await firstOutcome(hasty(.udp(dialogue)), port: mute.port) == .bad("no answer within 300 ms"))
    #expect(try await firstOutcome(hasty(.udp(.init())), port: mute.port) == .good("no error came back"))
    await mute.close()
    #expect(try await firstOutcome(patient(.udp(.init())), port: mute.port) == .bad("connection refused"))
  }

  @Test("DNS over UDP where the service is UDP's, over TCP where it is TCP's")
  func dns() async throws {
    @Sendable func response(_ query: [UInt8]) -> [UInt8] {
      DNSTests.response(
        DNSTests.question, id: UInt16(query[0]) << 8 | UInt16(query[1]), answers: [(1, [192, 0, 2, 7])])
    }
    let check = patient(.dns(DNSTests.question))
    let datagrams = try await DatagramServer { response($0) }
    let udp = ServiceKey("udp:127.0.0.1:53")!
    #expect(try await firstOutcome(check, port: datagrams.port, service: udp) == .good("answered with 192.0.2.7"))
    let streams = try await LoopbackServer.bytes { channel, query in
      let answer = response(Array(query.dropFirst(2)))
      channel.say(UInt16(answer.count).networkBytes + answer)
    }
    #expect(try await firstOutcome(check, port: streams.port) == .good("answered with 192.0.2.7"))
  }

  @Test(
    "ICMP needs the right to raw sockets; without it nothing is said about the server",
    .enabled(if: geteuid() == 0, "root pings"))
  func icmp() async throws {
    #expect(try await firstOutcome(patient(.icmp), port: 0) == .good("echoed"))
  }
}

@Suite("HTTP checks against good and hostile servers")
struct HTTPAttemptTests {
  private func server(_ response: String) async throws -> LoopbackServer {
    try await LoopbackServer { channel, _ in channel.say(response) }
  }

  private func outcome(_ response: String, _ question: HealthCheck.HTTPQuestion = .init()) async throws -> Outcome {
    try await firstOutcome(patient(.http(question)), port: server(response).port)
  }

  @Test("The status decides")
  func status() async throws {
    #expect(try await outcome("HTTP/1.1 200 OK\r\n\r\n") == .good("HTTP 200"))
    #expect(try await outcome("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 Done\r\n\r\n") == .good("HTTP 204"))
    #expect(try await outcome("HTTP/1.1 500 Oh\r\n\r\n") == .bad("HTTP 500 (wanted: 200-399)"))
    #expect(try await outcome("HTTP/1.0 302 Found\r\nLocation: /\r\n\r\n") == .good("HTTP 302"))
    let strict = HealthCheck.HTTPQuestion(status: StatusSet("200-299,500")!)
    #expect(try await outcome("HTTP/1.1 500 Oh\r\n\r\n", strict) == .good("HTTP 500"))
    #expect(
      try await outcome("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", strict) == .bad("HTTP 302 (wanted: 200-299,500)"))
  }

  @Test("The request is as it was asked for")
  func request() async throws {
    let heard = Heard()
    let server = try await LoopbackServer { channel, text in
      if heard.add(text).contains("\r\n\r\n") { channel.say("HTTP/1.1 200 OK\r\n\r\n") }
    }
    let question = HealthCheck.HTTPQuestion(
      method: "HEAD", path: "/alive?a=b", host: "www.example.org",
      headers: [HTTPHeader("X-Check: yes")!, HTTPHeader("Accept: text/plain")!])
    #expect(try await firstOutcome(patient(.http(question)), port: server.port).isGood)
    let lines = heard.text.components(separatedBy: "\r\n")
    #expect(lines.first == "HEAD /alive?a=b HTTP/1.1")
    #expect(
      Set(lines.dropFirst().prefix { !$0.isEmpty }.map { $0.lowercased() })
        == ["host: www.example.org", "user-agent: lbd", "accept: text/plain", "x-check: yes", "connection: close"])
    let plain = try await LoopbackServer { channel, text in
      channel.say(
        text.contains("Host: 127.0.0.1:\(channel.localAddress?.port ?? 0)\r\n") ? "HTTP/1.1 200 OK\r\n\r\n" : "no")
    }
    #expect(try await firstOutcome(patient(.http(.init())), port: plain.port).isGood)
  }

  @Test("A redirect is not followed")
  func redirects() async throws {
    let other = try await LoopbackServer()
    let response = "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:\(other.port)/\r\nContent-Length: 0\r\n\r\n"
    let strict = HealthCheck.HTTPQuestion(status: StatusSet("200-299")!)
    #expect(try await outcome(response, strict) == .bad("HTTP 301 (wanted: 200-299)"))
    #expect(try await outcome(response).isGood)
    #expect(other.connections.count == 0)
  }

  @Test("The body is matched, whole or in chunks, within what is read of it")
  func body() async throws {
    let question = HealthCheck.HTTPQuestion(body: "^all is (well|fine)")
    #expect(
      try await outcome("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nall is well", question)
        == .good("HTTP 200, the body matches"))
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nall \r\n7\r\nis fine\r\n0\r\n\r\n"
    #expect(try await outcome(chunks, question).isGood)
    #expect(
      try await outcome("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope", question)
        == .bad("HTTP 200, but the body does not match in its first 4 bytes"))
    #expect(
      try await outcome("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcd", hastyBody: question)
        == .bad("no answer within 300 ms"))
  }

  private func outcome(_ response: String, hastyBody question: HealthCheck.HTTPQuestion) async throws -> Outcome {
    try await firstOutcome(hasty(.http(question)), port: server(response).port)
  }

  @Test("A body without end is read to its bound")
  func endless() async throws {
    let server = try await LoopbackServer { channel, _ in
      channel.say("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
      channel.sayForever(String(repeating: "x", count: 100_000))
    }
    #expect(try await firstOutcome(patient(.http(.init())), port: server.port) == .good("HTTP 200"))
    #expect(
      try await firstOutcome(patient(.http(.init(body: "y"))), port: server.port)
        == .bad("HTTP 200, but the body does not match in its first 65536 bytes"))
    #expect(try await firstOutcome(patient(.http(.init(body: "x"))), port: server.port).isGood)
  }

  @Test("A head without end, one that never comes, and one byte after the other all fail")
  func heads() async throws {
    let endless = try await LoopbackServer { channel, _ in
      channel.say("HTTP/1.1 200 OK\r\n")
      channel.sayForever("X-Header: \(String(repeating: "x", count: 1000))\r\n")
    }
    #expect(try await firstOutcome(patient(.http(.init())), port: endless.port).words.hasPrefix("no HTTP"))
    let line = try await LoopbackServer { channel, _ in channel.sayForever(String(repeating: "H", count: 10_000)) }
    #expect(try await firstOutcome(patient(.http(.init())), port: line.port).words.hasPrefix("no HTTP"))
    let silent = try await LoopbackServer()
    #expect(try await firstOutcome(hasty(.http(.init())), port: silent.port) == .bad("no answer within 300 ms"))
    let slow = try await LoopbackServer { channel, _ in
      channel.say("H")
      channel.eventLoop.scheduleRepeatedTask(initialDelay: .milliseconds(200), delay: .milliseconds(200)) { _ in
        channel.say("T")
      }
    }
    #expect(try await firstOutcome(hasty(.http(.init())), port: slow.port) == .bad("no answer within 300 ms"))
  }

  @Test("Garbage, nothing, and half a response fail")
  func garbage() async throws {
    #expect(try await outcome("SSH-2.0-OpenSSH_9.2\r\n").words.hasPrefix("no HTTP"))
    let closing = try await LoopbackServer { channel, _ in channel.close(promise: nil) }
    #expect(
      try await firstOutcome(patient(.http(.init())), port: closing.port)
        == .bad("closed by the server before a response"))
    let half = try await LoopbackServer { channel, _ in
      channel.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
      channel.close(promise: nil)
    }
    #expect(try await firstOutcome(patient(.http(.init(body: "x"))), port: half.port).isGood == false)
    #expect(try await firstOutcome(patient(.http(.init())), port: closedPort()) == .bad("connection refused"))
  }

  @Test("A pattern that takes for ever against a body made for it fails")
  func hardPattern() async throws {
    let body = String(repeating: "a", count: 5000) + "b"
    let response = "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    #expect(
      try await outcome(response, .init(body: "^(a+)+$")) == .bad("HTTP 200, but matching the body takes too long"))
  }
}

@Suite("HTTPS checks")
struct HTTPSAttemptTests {
  private static func file(_ name: String) throws -> String {
    try #require(Bundle.module.path(forResource: name, ofType: nil, inDirectory: "Certificates"))
  }

  private func server(_ certificate: String) async throws -> LoopbackServer {
    let chain = try NIOSSLCertificate.fromPEMFile(Self.file(certificate))
    let key = try NIOSSLPrivateKey(file: Self.file("server.key"), format: .pem)
    let context = try NIOSSLContext(
      configuration: .makeServerConfiguration(
        certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key)))
    return try await LoopbackServer(
      tls: { NIOSSLServerHandler(context: context) },
      text: { channel, text in
        if text.hasSuffix("\r\n\r\n") { channel.say("HTTP/1.1 200 OK\r\n\r\n") }
      })
  }

  private func outcome(_ certificate: String, _ name: String?, verifies: Bool = true) async throws -> Outcome {
    let demand = HealthCheck.TLSDemand(
      name: name, verifies: verifies, authorities: verifies ? try Self.file("authority.pem") : nil)
    return try await firstOutcome(patient(.https(.init(), demand)), port: server(certificate).port)
  }

  @Test("A certificate of a trusted authority is good, for its name or without one")
  func good() async throws {
    #expect(try await outcome("good.pem", "www.example.org") == .good("HTTP 200"))
    #expect(try await outcome("good.pem", nil) == .good("HTTP 200"))
  }

  @Test(
    "One that is expired, of nobody's making, or another's name is bad", arguments: ["expired.pem", "selfsigned.pem"])
  func bad(certificate: String) async throws {
    #expect(try await outcome(certificate, "www.example.org") == .bad("TLS: certificate verify failed"))
    #expect(try await outcome(certificate, nil) == .bad("TLS: certificate verify failed"))
    #expect(try await outcome(certificate, nil, verifies: false) == .good("HTTP 200"))
    #expect(try await outcome("good.pem", "www.example.net").isGood == false)
  }

  @Test("The host's name is asked for where no other is")
  func hostName() async throws {
    let demand = HealthCheck.TLSDemand(authorities: try Self.file("authority.pem"))
    let port = try await server("good.pem").port
    #expect(try await firstOutcome(patient(.https(.init(host: "www.example.org:8443"), demand)), port: port).isGood)
    #expect(try await firstOutcome(patient(.https(.init(host: "www.example.net"), demand)), port: port).isGood == false)
    #expect(try await firstOutcome(patient(.https(.init(host: "192.0.2.1"), demand)), port: port).isGood)
  }

  @Test("Garbage, plain HTTP, silence and hanging up fail")
  func garbage() async throws {
    let kind = HealthCheck.Kind.https(.init(), .init(verifies: false))
    let garbage = try await LoopbackServer(greet: { $0.sayForever("garbage") })
    #expect(try await firstOutcome(patient(kind), port: garbage.port).words.hasPrefix("TLS: "))
    let plain = try await LoopbackServer { channel, _ in channel.say("HTTP/1.1 400 Bad\r\n\r\n") }
    #expect(try await firstOutcome(patient(kind), port: plain.port).words.hasPrefix("TLS: "))
    let silent = try await LoopbackServer()
    #expect(try await firstOutcome(hasty(kind), port: silent.port) == .bad("no answer within 300 ms"))
    let closing = try await LoopbackServer(greet: { $0.close(promise: nil) })
    #expect(try await firstOutcome(patient(kind), port: closing.port).isGood == false)
  }

  @Test("Authorities that cannot be read are named before anything is watched")
  func authorities() async throws {
    let check = HealthCheck(.https(.init(), .init(authorities: "/nowhere/ca.pem")))
    let monitor = try HealthMonitor { _ in }
    await #expect(throws: PlaneError.self) { try await monitor.validate(check) }
    await #expect(throws: PlaneError.invalid("'(' is not a regular expression: missing closing parenthesis at byte 1"))
    {
      try await monitor.validate(HealthCheck(.http(.init(body: "("))))
    }
  }
}
