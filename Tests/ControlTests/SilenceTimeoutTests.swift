import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import Control

@Suite("A client's patience")
struct SilenceTimeoutTests {
  private struct Silence: Error {}
  private static let head = HTTPClientResponsePart.head(HTTPResponseHead(version: .http1_1, status: .ok))
  private static let body = HTTPClientResponsePart.body(ByteBuffer(string: "{}"))

  private let loop = EmbeddedEventLoop()
  private let channel: EmbeddedChannel

  init() throws { channel = EmbeddedChannel(loop: loop) }

  /// A connection over which a request was sent.
  private func ask(isEndless: Bool = false) throws {
    try channel.pipeline.syncOperations.addHandler(
      SilenceTimeout(.seconds(30), isEndless: isEndless, silence: Silence()))
    try channel.connect(to: SocketAddress(unixDomainSocketPath: "/run/lbd.sock")).wait()
    channel.read()
    try channel.writeOutbound(HTTPClientRequestPart.end(nil))
  }

  /// A piece comes, and the next is awaited where the client is ready for it.
  private func receive(_ part: HTTPClientResponsePart, isReady: Bool = true) throws {
    try channel.writeInbound(part)
    if isReady { channel.read() }
  }

  private func expectSilence(after pieces: [HTTPClientResponsePart]) throws {
    for piece in pieces {
      loop.advanceTime(by: .seconds(29))
      try receive(piece)
    }
    loop.advanceTime(by: .seconds(29))
    #expect(channel.isActive)
    loop.advanceTime(by: .seconds(1))
    #expect(!channel.isActive)
    #expect(throws: Silence.self) { try channel.throwIfErrorCaught() }
  }

  @Test("An answer that does not begin, or does not go on, is given up", arguments: 0...3)
  func silent(pieces: Int) throws {
    try ask()
    try expectSilence(after: Array([Self.head, Self.body, Self.body].prefix(pieces)))
  }

  @Test("After an answer the connection may be idle until the next request")
  func idle() throws {
    try ask()
    for piece in [Self.head, Self.body, .end(nil)] { try receive(piece) }
    loop.advanceTime(by: .hours(1))
    #expect(channel.isActive)
    try channel.writeOutbound(HTTPClientRequestPart.end(nil))
    try expectSilence(after: [])
  }

  @Test("While what it writes to is slow, nothing is missed")
  func slow() throws {
    try ask()
    try receive(Self.head, isReady: false)
    loop.advanceTime(by: .hours(1))
    #expect(channel.isActive)
    channel.read()
    try expectSilence(after: [])
  }

  @Test("A capture that has begun may be silent")
  func endless() throws {
    try ask(isEndless: true)
    try receive(Self.head)
    try receive(Self.body)
    loop.advanceTime(by: .hours(1))
    #expect(channel.isActive)
  }

  @Test("A capture must begin")
  func endlessSilence() throws {
    try ask(isEndless: true)
    try expectSilence(after: [Self.head])
  }
}
