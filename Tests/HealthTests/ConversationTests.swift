import LVS
import Testing

@testable import Health

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite("Dialogues")
struct DialogueTests {
  @Test("A connection alone is enough where nothing is expected")
  func connection() {
    let plain = StreamDialogue(dialogue: .init())
    #expect(plain.opening.isEmpty && !plain.expectsAnswer)
    #expect(plain.judge([]) == .good("connected"))
    #expect(StreamDialogue(dialogue: .init(send: Payload(bytes("QUIT\r\n")))).judge([]) == .good("sent"))
  }

  @Test("What is expected may come in pieces, and behind something else")
  func pieces() {
    let dialogue = StreamDialogue(dialogue: .init(expect: Payload(bytes("+PONG"))))
    #expect(dialogue.expectsAnswer)
    #expect(dialogue.judge(bytes("hello +PO")) == nil)
    #expect(dialogue.judge(bytes("hello +PONG\r\n")) == .good("answered as expected"))
  }

  @Test("A stream without it is read to a bound")
  func bound() {
    let dialogue = StreamDialogue(dialogue: .init(expect: Payload([1, 2])))
    #expect(dialogue.judge(.init(repeating: 1, count: StreamDialogue.limit - 1)) == nil)
    #expect(dialogue.judge(.init(repeating: 1, count: StreamDialogue.limit))?.isGood == false)
  }

  @Test("A datagram's answer counts at once; silence is good where nothing is expected")
  func datagrams() {
    let plain = DatagramDialogue(dialogue: .init())
    #expect(plain.opening == [0])
    #expect(plain.judge(bytes("?")) == .good("answered"))
    #expect(plain.judgeSilence(after: 100) == .good("no error came back"))
    let strict = DatagramDialogue(dialogue: .init(send: Payload([7]), expect: Payload([8])))
    #expect(strict.opening == [7])
    #expect(strict.judge([7, 8, 9])?.isGood == true)
    #expect(strict.judge([7])?.isGood == false)
    #expect(strict.judgeSilence(after: 100) == .bad("no answer within 100 ms"))
  }
}

@Suite("Echo")
struct EchoTests {
  static let header: [UInt8] = [0x45] + Array(repeating: 0, count: 19)

  private func reply(_ echo: Echo, type: UInt8, change: (inout EchoMessage) -> Void = { _ in }) -> [UInt8] {
    var message = EchoMessage(type: type, identifier: echo.identifier, token: echo.token)
    change(&message)
    return message.bytes
  }

  @Test("An IPv4 request has a checksum that comes to zero with its data")
  func checksum() {
    let request = Echo(family: .v4, identifier: 0xfffe, token: 0xffff_ffff_ffff_fffe).opening
    let sum = stride(from: 0, to: request.count, by: 2).reduce(0) { $0 + Int(request[$1]) << 8 + Int(request[$1 + 1]) }
    #expect(sum % 0xffff == 0)
    #expect(request.prefix(2) == [8, 0])
  }

  @Test("Only the reply with the same identifier and token counts", arguments: [IPAddress.Family.v4, .v6])
  func replies(family: IPAddress.Family) {
    let echo = Echo(family: family, identifier: 7, token: 99)
    let (type, header) = family == .v4 ? (EchoMessage.v4Reply, Self.header) : (EchoMessage.v6Reply, [])
    #expect(echo.judge(header + reply(echo, type: type)) == .good("echoed"))
    #expect(echo.judge(header + reply(echo, type: type) { $0.identifier = 8 }) == nil)
    #expect(echo.judge(header + reply(echo, type: type) { $0.token = 98 }) == nil)
    #expect(echo.judge(header + echo.opening) == nil)
    let whole = header + reply(echo, type: type)
    for length in 0..<whole.count { #expect(echo.judge(Array(whole.prefix(length))) == nil) }
  }

  @Test("A header that says more than there is harms nothing")
  func lyingHeader() {
    let echo = Echo(family: .v4, identifier: 7, token: 99)
    for first in UInt8.min...UInt8.max { #expect(echo.judge([first] + Array(repeating: 0, count: 30)) == nil) }
  }
}

@Suite("DNS")
struct DNSTests {
  static let question = HealthCheck.DNSQuestion("www.Example.org", address: IPAddress("192.0.2.7"))

  /// A response with answers by name pointer, type and data.
  static func response(
    _ question: HealthCheck.DNSQuestion = question, id: UInt16 = 5, flags: UInt16 = 0x8180,
    answers: [(type: UInt16, data: [UInt8])] = []
  ) -> [UInt8] {
    let query = DNSMessage.query(question.query, id: id)
    let header = [id, flags, 1, UInt16(answers.count), 0, 0].flatMap(\.networkBytes)
    let records = answers.flatMap { answer -> [UInt8] in
      [0xc0, 12] as [UInt8] + answer.type.networkBytes + [0, 1, 0, 0, 0, 60] + UInt16(answer.data.count).networkBytes
        + answer.data
    }
    return header + query[12...] + records
  }

  private func judge(_ answer: [UInt8], _ question: HealthCheck.DNSQuestion = question) -> Outcome? {
    DNSExchange(question: question, id: 5, isStream: false).judge(answer)
  }

  @Test("A query is as RFC 1035 draws it")
  func query() {
    #expect(
      DNSMessage.query(.init("a.bc", type: .aaaa), id: 0x0102)
        == [1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 2, 98, 99, 0, 0, 28, 0, 1])
    #expect(DNSMessage.query(.init(".", type: .ns), id: 0).suffix(5) == [0, 0, 2, 0, 1])
  }

  @Test("The address must be among the answers, behind others")
  func answers() {
    let (cname, wanted, other): ((UInt16, [UInt8]), (UInt16, [UInt8]), (UInt16, [UInt8])) =
      ((5, [1, 120, 0]), (1, [192, 0, 2, 7]), (1, [192, 0, 2, 8]))
    #expect(judge(Self.response(answers: [cname, other, wanted])) == .good("answered with 192.0.2.7"))
    #expect(judge(Self.response(answers: [cname, other])) == .bad("192.0.2.7 is not among the answers"))
    #expect(
      judge(Self.response(flags: 0x8380, answers: [other]))
        == .bad("192.0.2.7 is not among the answers, which are truncated"))
    #expect(judge(Self.response(answers: [(28, [192, 0, 2, 7])]))?.isGood == false)
  }

  @Test("An error is named; without an address any answer is good")
  func codes() {
    #expect(judge(Self.response(flags: 0x8182)) == .bad("SERVFAIL"))
    #expect(judge(Self.response(flags: 0x8185)) == .bad("REFUSED"))
    #expect(judge(Self.response(flags: 0x818f)) == .bad("response code 15"))
    let plain = HealthCheck.DNSQuestion("example.org")
    #expect(judge(Self.response(plain), plain) == .good("answered"))
  }

  @Test("What answers another question is passed over")
  func strangers() {
    #expect(judge(Self.response(id: 6)) == nil)
    #expect(judge(Self.response(.init("www.example.net"))) == nil)
    #expect(judge(Self.response(.init("www.example.org", type: .aaaa))) == nil)
    #expect(judge(Self.response(flags: 0x0180)) == nil)
    #expect(judge(Self.response(.init("WWW.EXAMPLE.ORG"), answers: [(1, [192, 0, 2, 7])]))?.isGood == true)
  }

  @Test("Every truncation and every changed byte is taken without harm")
  func damage() {
    let whole = Self.response(answers: [(5, [1, 120, 0xc0, 12]), (1, [192, 0, 2, 7])])
    for length in 0..<whole.count { #expect(judge(Array(whole.prefix(length)))?.isGood != true) }
    for index in whole.indices {
      for value in [0, 1, 0x3f, 0x40, 0x80, 0xc0, 0xff] as [UInt8] {
        var damaged = whole
        damaged[index] = value
        _ = judge(damaged)
      }
    }
  }

  @Test("Over TCP the message comes with its length, in pieces")
  func stream() {
    let exchange = DNSExchange(question: Self.question, id: 5, isStream: true)
    #expect(exchange.opening.prefix(2) == [0, 33])
    let response = Self.response(answers: [(1, [192, 0, 2, 7])])
    let framed = UInt16(response.count).networkBytes + response
    for length in 0..<framed.count { #expect(exchange.judge(Array(framed.prefix(length))) == nil) }
    #expect(exchange.judge(framed)?.isGood == true)
    #expect(exchange.judge([0, 2, 9, 9]) == .bad("answered something else than asked"))
  }
}

@Suite("Patterns of bodies")
struct BodyPatternTests {
  @Test("A pattern matches bytes, whatever they are")
  func match() throws {
    let pattern = try BodyPattern("status: (ok|fine)$")
    #expect(pattern.match(bytes("all\nstatus: fine")) == .match)
    #expect(pattern.match(bytes("status: bad")) == .noMatch)
    #expect(pattern.match([]) == .noMatch)
    #expect(pattern.match([0, 0xff, 0x80]) == .noMatch)
    #expect(try BodyPattern("^$").match([]) == .match)
  }

  @Test("A mistake says what and where")
  func mistakes() {
    #expect(
      throws: BodyPattern.Mistake(
        description: "'a(b' is not a regular expression: missing closing parenthesis at byte 3")
    ) {
      try BodyPattern("a(b")
    }
    #expect(throws: BodyPattern.Mistake.self) { try BodyPattern("(?:(?:a{1000}){1000}){1000}") }
  }

  @Test("What would take for ever is given up")
  func bounded() throws {
    #expect(try BodyPattern("^(a+)+$").match(.init(repeating: 97, count: 5000) + [98]) == .tooHard)
    #expect(try BodyPattern("^(?:a|aa)+$").match(.init(repeating: 97, count: 65_535) + [98]) == .tooHard)
  }
}

@Suite("Whose packet it is")
struct FlowNameTests {
  static func packet(v6: Bool, protocol number: UInt8, _ content: [UInt8]) -> [UInt8] {
    var packet: [UInt8] = v6 ? [0x60] + Array(repeating: 0, count: 39) : [0x45] + Array(repeating: 0, count: 19)
    packet[v6 ? 6 : 9] = number
    return packet + content
  }

  @Test("By source port, or by an echo's identifier", arguments: [false, true])
  func names(v6: Bool) {
    let ports: [UInt8] = [0x12, 0x34, 0, 80, 0, 0, 0, 0]
    #expect(FlowName(Self.packet(v6: v6, protocol: 6, ports)) == FlowName(.stream, 0x1234))
    #expect(FlowName(Self.packet(v6: v6, protocol: 17, ports)) == FlowName(.datagram, 0x1234))
    let echo: [UInt8] = [v6 ? 128 : 8, 0, 0, 0, 0x56, 0x78, 0, 1]
    #expect(FlowName(Self.packet(v6: v6, protocol: v6 ? 58 : 1, echo)) == FlowName(.echo, 0x5678))
    #expect(FlowName(Self.packet(v6: v6, protocol: v6 ? 58 : 1, [133, 0, 0, 0, 0, 0, 0, 0])) == nil)
    #expect(FlowName(Self.packet(v6: v6, protocol: 132, ports)) == nil)
    let whole = Self.packet(v6: v6, protocol: 6, ports)
    for length in 0..<whole.count { #expect(FlowName(Array(whole.prefix(length))) == nil) }
  }
}
