import Foundation
import LVS
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Health

/// A server on loopback that does with each connection what a test wants.
final class LoopbackServer: Sendable {
  let port: UInt16
  /// How many connections came.
  let connections: Counter
  private let channel: any Channel

  final class Counter: Sendable {
    private let value = Mutex(0)
    func add() { value.withLock { $0 += 1 } }
    var count: Int { value.withLock { $0 } }
  }

  /// - Parameters:
  ///   - hear: what is done with the bytes that come.
  ///   - tls: what speaks TLS.
  ///   - greet: what is done with a new connection.
  private init(
    hearing hear: @escaping @Sendable (any Channel, [UInt8]) -> Void,
    tls: (@Sendable () throws -> any ChannelHandler)?, greet: @escaping @Sendable (any Channel) -> Void
  ) async throws {
    let connections = Counter()
    self.connections = connections
    // A client whose SYN finds no room tries again after seconds, then after more of them.
    channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.backlog, value: 4096)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let tls { try channel.pipeline.syncOperations.addHandler(tls()) }
          try channel.pipeline.syncOperations.addHandler(Visitor(connections, greet, hear))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    port = UInt16(channel.localAddress?.port ?? 0)
  }

  /// A server that hears text.
  convenience init(_ text: @escaping @Sendable (any Channel, String) -> Void = { _, _ in }) async throws {
    try await self.init(hearing: { text($0, String(decoding: $1, as: UTF8.self)) }, tls: nil, greet: { _ in })
  }

  convenience init(
    tls: @escaping @Sendable () throws -> any ChannelHandler,
    text: @escaping @Sendable (any Channel, String) -> Void
  ) async throws {
    try await self.init(hearing: { text($0, String(decoding: $1, as: UTF8.self)) }, tls: tls, greet: { _ in })
  }

  /// A server that does something with each new connection and hears nothing.
  convenience init(greet: @escaping @Sendable (any Channel) -> Void) async throws {
    try await self.init(hearing: { _, _ in }, tls: nil, greet: greet)
  }

  /// A server that hears bytes.
  static func bytes(_ hear: @escaping @Sendable (any Channel, [UInt8]) -> Void) async throws -> LoopbackServer {
    try await LoopbackServer(hearing: hear, tls: nil, greet: { _ in })
  }

  func close() async { try? await channel.close() }

  private final class Visitor: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let connections: Counter
    private let greet: @Sendable (any Channel) -> Void
    private let hear: @Sendable (any Channel, [UInt8]) -> Void

    init(
      _ connections: Counter, _ greet: @escaping @Sendable (any Channel) -> Void,
      _ hear: @escaping @Sendable (any Channel, [UInt8]) -> Void
    ) {
      (self.connections, self.greet, self.hear) = (connections, greet, hear)
    }

    func channelActive(context: ChannelHandlerContext) {
      connections.add()
      greet(context.channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      hear(context.channel, Array(unwrapInboundIn(data).readableBytesView))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
  }
}

extension Channel {
  func say(_ text: String) { say(Array(text.utf8)) }
  func say(_ bytes: [UInt8]) { writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }

  /// Writes the same again and again, as fast as it is read.
  func sayForever(_ text: String) {
    let buffer = ByteBuffer(string: text)
    @Sendable func more() { writeAndFlush(buffer).whenSuccess { more() } }
    more()
  }
}

/// Services and servers of the tests are on loopback.
let service = ServiceKey("tcp:127.0.0.1:1")!

func target(_ check: HealthCheck, port: UInt16, service: ServiceKey = service) -> CheckTarget {
  CheckTarget(RealServer(Endpoint(IPAddress("127.0.0.1")!, port)), of: service, check, check.via ?? .rip)
}

/// A check that fails within a moment where the server says nothing, and never else, however slow the machine is.
func patient(_ kind: HealthCheck.Kind) -> HealthCheck {
  HealthCheck(
    kind, via: kind.name == .exec ? nil : .rip, interval: .milliseconds(20), timeout: .seconds(60), rise: 1, fall: 1)
}

/// The same for a server of which nothing is to come in time.
func hasty(_ kind: HealthCheck.Kind) -> HealthCheck {
  var check = patient(kind)
  check.timeout = .milliseconds(300)
  return check
}

/// Polls until there is something, for five minutes at most.
@discardableResult
func eventually<Value>(_ body: () async throws -> Value?) async throws -> Value {
  let end = ContinuousClock.now + .seconds(300)
  while ContinuousClock.now < end {
    if let value = try await body() { return value }
    try await Task.sleep(for: .milliseconds(10))
  }
  throw TimeIsOver()
}

struct TimeIsOver: Error {}

/// What the first attempt comes to.
func firstOutcome(_ check: HealthCheck, port: UInt16, service: ServiceKey = service) async throws -> Outcome {
  let monitor = try HealthMonitor(.init(broker: check.kind.name == .exec ? CommandBroker() : nil)) { _ in }
  monitor.watch([target(check, port: port, service: service)])
  return try await eventually { await monitor.status().first?.last?.outcome }
}

/// A port of loopback that nobody listens at.
func closedPort() async throws -> UInt16 {
  let server = try await LoopbackServer()
  await server.close()
  return server.port
}

/// Answers datagrams on loopback.
final class DatagramServer: Sendable {
  let port: UInt16
  private let channel: any Channel

  init(_ answer: @escaping @Sendable ([UInt8]) -> [UInt8]?) async throws {
    channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Answerer(answer)) }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    port = UInt16(channel.localAddress?.port ?? 0)
  }

  func close() async { try? await channel.close() }

  private final class Answerer: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>
    private let answer: @Sendable ([UInt8]) -> [UInt8]?

    init(_ answer: @escaping @Sendable ([UInt8]) -> [UInt8]?) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let envelope = unwrapInboundIn(data)
      guard let bytes = answer(Array(envelope.data.readableBytesView)) else { return }
      let reply = AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: bytes))
      context.writeAndFlush(wrapOutboundOut(reply), promise: nil)
    }
  }
}

/// What a server was told.
final class Heard: Sendable {
  private let all = Mutex("")

  /// All so far.
  func add(_ text: String) -> String {
    all.withLock { all in
      all += text
      return all
    }
  }

  var text: String { all.withLock { $0 } }
}
