import Foundation
import LVS
import Testing

private func fields(_ type: HealthCheck.Kind.Name, _ set: (inout CheckFields) -> Void = { _ in }) -> CheckFields {
  var fields = CheckFields(type)
  set(&fields)
  return fields
}

private let web = ServiceKey("tcp:192.0.2.100:80")!

@Suite("Health checks as they are written")
struct HealthCheckTests {
  static let samples: [HealthCheck] = [
    HealthCheck(.tcp(.init())),
    HealthCheck(.tcp(.init(send: Payload("PING\\r\\n"), expect: Payload("+PONG"))), port: 6379, via: .rip),
    HealthCheck(
      .http(
        .init(method: "HEAD", path: "/alive?x=1", host: "www.example.org", headers: [.init(name: "X-A", value: "b c")])),
      interval: .seconds(2), fastInterval: .milliseconds(200), timeout: .milliseconds(700), jitter: 0, rise: 3, fall: 4,
      flapLimit: 0, onFailure: .remove),
    HealthCheck(
      .https(
        .init(status: StatusSet([200...299, 301...301]), body: "ok"),
        .init(name: "www.example.org", verifies: true, authorities: "/etc/ca.pem"))),
    HealthCheck(.https(.init(), .init(verifies: false))),
    HealthCheck(.udp(.init(send: Payload([0, 255, 92]), expect: Payload([10])))),
    HealthCheck(.dns(.init("example.org", type: .aaaa, address: IPAddress("2001:db8::1")))),
    HealthCheck(.icmp), HealthCheck(.exec(["/bin/check", "", "a b"])),
  ]

  @Test("What is written reads back the same", arguments: samples)
  func roundTrip(check: HealthCheck) throws {
    let text = try JSONEncoder().encode(check)
    #expect(try JSONDecoder().decode(HealthCheck.self, from: text) == check)
    try check.validate()
  }

  @Test("Only what is not standard is written")
  func short() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    #expect(String(decoding: try encoder.encode(HealthCheck(.http(.init()))), as: UTF8.self) == #"{"type":"http"}"#)
    let other = HealthCheck(.http(.init(path: "/x")), fastInterval: .milliseconds(50), onFailure: .remove)
    #expect(
      String(decoding: try encoder.encode(other), as: UTF8.self)
        == #"{"fast_interval":"50ms","on_failure":"remove","path":"/x","type":"http"}"#)
  }

  @Test(
    "A field of another type, or one that is missing, is named",
    arguments: [
      (fields(.tcp) { $0.path = "/" }, .path, "'path' is for http, https, and this is tcp"),
      (fields(.http) { $0.verify = true }, .verify, "'verify' is for https, and this is http"),
      (fields(.icmp) { $0.port = 7 }, .port, "'port' is for tcp, http, https, udp, dns, and this is icmp"),
      (
        fields(.exec) { ($0.command, $0.via) = (["/bin/true"], .rip) }, .via,
        "'via' is for tcp, http, https, udp, dns, icmp, and this is exec"
      ),
      (fields(.exec), .command, "exec needs a command"),
      (fields(.dns), .host, "dns needs the name to ask for (host)"),
      (
        fields(.dns) { ($0.host, $0.expect) = ("a", Payload("b")) }, .expect, "'b' is not an IP address, as dns expects"
      ),
    ] as [(CheckFields, CheckFields.CodingKeys, String)])
  func fieldErrors(fields: CheckFields, field: CheckFields.CodingKeys, problem: String) {
    #expect(throws: CheckFieldError(field: field, problem: problem)) { try HealthCheck(fields) }
  }

  @Test("In JSON the error stands at the field")
  func path() throws {
    let error = #expect(throws: DecodingError.self) {
      try JSONDecoder().decode([HealthCheck].self, from: Data(#"[{"type": "icmp", "body": "x"}]"#.utf8))
    }
    guard case .dataCorrupted(let context) = error else {
      Issue.record("another error: \(String(describing: error))")
      return
    }
    #expect(context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue } == ["0", "body"])
  }

  static let bad: [(HealthCheck, String)] = [
    (HealthCheck(.icmp, interval: .milliseconds(9)), "the interval 9ms is not in 10ms to 1h"),
    (HealthCheck(.icmp, timeout: .seconds(3601)), "the timeout 3601s is not in 10ms to 1h"),
    (HealthCheck(.icmp, fastInterval: .seconds(1)), "the fast interval 1s is longer than the interval 500ms"),
    (HealthCheck(.icmp, rise: 0), "rise 0 is not in 1 to 1000"),
    (HealthCheck(.icmp, fall: 1001), "fall 1001 is not in 1 to 1000"),
    (HealthCheck(.icmp, jitter: 51), "jitter of 51 % is not in 0 to 50"),
    (HealthCheck(.tcp(.init()), port: 0), "port 0 is not in 1 to 65535"),
    (HealthCheck(.tcp(.init(expect: Payload([])))), "what is expected has 0 bytes, not 1 to 4096"),
    (HealthCheck(.http(.init(path: "x"))), "the path 'x' must begin with / and hold neither blanks nor controls"),
    (HealthCheck(.http(.init(path: "/a b"))), "the path '/a b' must begin with / and hold neither blanks nor controls"),
    (
      HealthCheck(.http(.init(path: "/\r\nHost: x"))),
      "the path '/\r\nHost: x' must begin with / and hold neither blanks nor controls"
    ),
    (HealthCheck(.http(.init(host: "a\nb"))), "'a\nb' is not a host"),
    (HealthCheck(.http(.init(method: "GET /"))), "'GET /' is not an HTTP method"),
    (HealthCheck(.http(.init(body: ""))), "the regular expression of the body has 0 bytes, not 1 to 1024"),
    (HealthCheck(.https(.init(), .init(name: "192.0.2.1"))), "'192.0.2.1' is not a host's name (SNI)"),
    (
      HealthCheck(.https(.init(), .init(verifies: false, authorities: "/x"))),
      "authorities (ca) are named, and nothing is verified by them"
    ),
    (HealthCheck(.dns(.init("a..b"))), "'a..b' is not a name to ask the DNS for"),
    (
      HealthCheck(.dns(.init("a", type: .ns, address: IPAddress("192.0.2.1")))),
      "an address is expected, but NS does not ask for one"
    ),
    (HealthCheck(.exec([])), "the command '' must begin with a program's whole path, such as /bin/true"),
    (HealthCheck(.exec(["true"])), "the command 'true' must begin with a program's whole path, such as /bin/true"),
    (HealthCheck(.exec(["/bin/x", "a\0b"])), "a word of the command holds a NUL"),
    (
      HealthCheck(.exec(["/x"] + Array(repeating: "a", count: 64))),
      "the command /x has more than 64 words or 32768 bytes"
    ),
  ]

  @Test("What cannot be is refused in one line", arguments: bad)
  func validation(check: HealthCheck, problem: String) {
    let error = #expect(throws: PlaneError.self) { try check.validate() }
    #expect(error?.description == problem)
  }

  @Test("What a service does not allow is refused")
  func placement() throws {
    let mark = ServiceKey("fwmark:7")!
    let all = ServiceKey("tcp:192.0.2.100:0")!
    func problem(_ check: HealthCheck, _ service: ServiceKey, _ server: RealServer? = nil) -> String? {
      do throws(PlaneError) { try check.validate(in: service, of: server) } catch { return error.description }
      return nil
    }
    #expect(problem(HealthCheck(.tcp(.init())), web) == nil)
    #expect(
      problem(HealthCheck(.icmp, via: .vip), mark)
        == "fwmark:7 has no VIP of its own to check its servers by: use --via rip")
    #expect(problem(HealthCheck(.icmp), mark) == nil)
    #expect(
      problem(HealthCheck(.tcp(.init())), all)
        == "tcp:192.0.2.100:0 has no port of its own to check its servers at: name one (--port)")
    #expect(problem(HealthCheck(.tcp(.init()), port: 80), all) == nil)
    let natted = RealServer(Endpoint("192.0.2.11:80")!, method: .masquerade)
    #expect(
      problem(HealthCheck(.tcp(.init()), via: .vip), web, natted)
        == "192.0.2.11:80 is not reached by direct routing: use --via rip")
  }

  @Test("Direct routing is checked by the VIP, all else by the server's own address")
  func via() {
    let tcp = HealthCheck(.tcp(.init()))
    let all = Capabilities(.userspace, methods: [.route], features: [.checks, .vipChecks])
    let kernel = Capabilities(.kernel, methods: [.route], features: [.checks])
    #expect(tcp.via(.route, in: web, kernel) == .rip)
    #expect(tcp.via(.route, in: web, all) == .vip)
    #expect(tcp.via(.masquerade, in: web, all) == .rip)
    #expect(tcp.via(.route, in: ServiceKey("fwmark:7")!, all) == .rip)
    #expect(HealthCheck(.exec(["/x"])).via(.route, in: web, all) == .rip)
    #expect(HealthCheck(.tcp(.init()), via: .rip).via(.route, in: web, all) == .rip)
  }

  @Test(
    "Lengths of time have a unit",
    arguments: [
      ("500ms", 500), ("1s", 1000), ("30s", 30_000), ("2m", 120_000), ("1h", 3_600_000), ("0s", 0), ("500", nil),
      ("s", nil),
      ("1.5s", nil), ("-1s", nil), ("1 s", nil), ("5000000000ms", nil), ("1193h", 4_294_800_000), ("1194h", nil),
      ("٣s", nil),
    ] as [(String, UInt32?)])
  func periods(text: String, milliseconds: UInt32?) {
    #expect(Period(text)?.milliseconds == milliseconds)
    if let period = Period(text) { #expect(Period(period.description) == period) }
  }

  @Test("Periods are written with their longest whole unit")
  func periodText() {
    #expect(
      [0, 1, 1000, 1500, 60_000, 90_000, 3_600_000].map { Period.milliseconds($0).description }
        == ["0s", "1ms", "1s", "1500ms", "1m", "90s", "1h"])
  }

  @Test(
    "Sets of statuses",
    arguments: [
      ("200", [200...200]), ("200-299,301", [200...299, 301...301]), ("100-599", [100...599]), ("", nil), ("99", nil),
      ("600", nil), ("300-200", nil), ("200-", nil), ("2x", nil), ("200,,201", nil), ("200-201-202", nil),
    ] as [(String, [ClosedRange<UInt16>]?)])
  func statuses(text: String, ranges: [ClosedRange<UInt16>]?) {
    #expect(StatusSet(text)?.ranges == ranges)
    if let set = StatusSet(text) { #expect(set.description == text) }
  }

  @Test("Payloads are text with escapes, and every byte has one")
  func payloads() {
    #expect(Payload(#"a\r\n\t\\\x00\xfF"#)?.bytes == [97, 13, 10, 9, 92, 0, 255])
    #expect(Payload("ü")?.bytes == [0xc3, 0xbc])
    for text in [#"\"#, #"\q"#, #"\x"#, #"\x1"#, #"\xgg"#, #"\x+1"#] { #expect(Payload(text) == nil, "\(text)") }
    let all = Payload((0...255).map { UInt8($0) })
    #expect(Payload(all.description) == all)
    #expect(all.description.utf8.allSatisfy { (32..<127).contains($0) })
  }

  @Test("Headers end no line early")
  func headers() {
    #expect(HTTPHeader("X-A:  b: c") == HTTPHeader(name: "X-A", value: "b: c"))
    for text in ["X-A", ": b", "X A: b", "X-A: b\r\nX-B: c", "X-A\n: b"] { #expect(HTTPHeader(text) == nil, "\(text)") }
  }
}
