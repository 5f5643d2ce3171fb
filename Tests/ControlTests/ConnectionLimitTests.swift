import NIOCore
import NIOEmbedded
import Testing

@testable import Control

@Suite("The connections of a server")
struct ConnectionLimitTests {
  private static func connection(
    on loop: EmbeddedEventLoop, _ handler: any ChannelHandler
  ) throws -> EmbeddedChannel {
    let channel = EmbeddedChannel(loop: loop)
    try channel.pipeline.syncOperations.addHandler(handler)
    try channel.connect(to: SocketAddress(ipAddress: "192.0.2.1", port: 1)).wait()
    return channel
  }

  @Test("The oldest makes room for the newest")
  func oldest() throws {
    let (loop, seats) = (EmbeddedEventLoop(), Seats(3))
    let channels = try (0..<5).map { _ in try Self.connection(on: loop, SeatHandler(seats)) }
    loop.run()
    #expect(channels.map(\.isActive) == [false, false, true, true, true])
    #expect(seats.count == 3)
    try channels[2].close().wait()
    loop.run()
    #expect(seats.count == 2)
    _ = try Self.connection(on: loop, SeatHandler(seats))
    #expect(channels.map(\.isActive) == [false, false, false, true, true])
  }

  @Test("One that strangers may use ends after a while, whatever it is used for")
  func lifetime() throws {
    let (loop, seats) = (EmbeddedEventLoop(), Seats(3))
    let channel = try Self.connection(on: loop, SeatHandler(seats))
    loop.advanceTime(by: Seats.lifetime - .seconds(1))
    try channel.writeInbound("a request")
    #expect(channel.isActive && seats.count == 1)
    loop.advanceTime(by: .seconds(1))
    #expect(!channel.isActive && seats.count == 0)
  }

  @Test("One that asks for nothing is closed, and one that has asked stays")
  func firstRequest() throws {
    let loop = EmbeddedEventLoop()
    let (silent, used) = (
      try Self.connection(on: loop, FirstRequestTimeout()), try Self.connection(on: loop, FirstRequestTimeout())
    )
    loop.advanceTime(by: FirstRequestTimeout.patience - .seconds(1))
    try used.writeInbound("a request")
    #expect(silent.isActive && used.isActive)
    loop.advanceTime(by: .seconds(3600))
    #expect(!silent.isActive && used.isActive)
  }
}
