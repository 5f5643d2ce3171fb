import LVS
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// What HTTP and TLS are spoken with, over connections that stand already: NIO, on a thread of its own, which is there
/// from the first such check on.
///
/// It is not AsyncHTTPClient, whose connections can be told neither the mark nor the port that `via: vip` needs.
final class HTTPClient: Sendable {
  /// What is made once of a check's settings: matching and TLS begin with some work.
  struct Preparation: Sendable {
    let question: HealthCheck.HTTPQuestion
    let pattern: BodyPattern?
    let tls: NIOSSLContext?
    /// The name that is asked for, where there is one.
    let name: String?
  }

  private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  /// How long a TLS connection waits for the other side to say that it ends.
  private static let farewell = TimeAmount.milliseconds(100)

  deinit { group.shutdownGracefully { _ in } }

  /// - Throws: where the pattern is none, or the authorities cannot be read.
  static func prepare(_ question: HealthCheck.HTTPQuestion, _ demand: HealthCheck.TLSDemand?) throws -> Preparation {
    let pattern = try question.body.map { body throws in try BodyPattern(body) }
    guard let demand else { return Preparation(question: question, pattern: pattern, tls: nil, name: nil) }
    let name = demand.name ?? hostName(question.host)
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.certificateVerification =
      !demand.verifies ? .none : name == nil ? .noHostnameVerification : .fullVerification
    if let file = demand.authorities { configuration.trustRoots = .file(file) }
    configuration.applicationProtocols = ["http/1.1"]
    configuration.shutdownTimeout = farewell
    do {
      return Preparation(
        question: question, pattern: pattern, tls: try NIOSSLContext(configuration: configuration), name: name)
    } catch {
      throw PlaneError.invalid("the authorities in \(demand.authorities ?? "the system's place") cannot be read")
    }
  }

  /// The name of a Host header without its port; nil where it is an address.
  private static func hostName(_ host: String?) -> String? {
    guard let name = host?.split(separator: ":").first.map(String.init), host?.hasPrefix("[") != true else {
      return nil
    }
    return IPAddress(name) == nil ? name : nil
  }

  /// Asks over a connection, which is the client's from now on.
  ///
  /// - Parameter finish: called once, on another thread.
  /// - Returns: the connection, to be closed where the time is over.
  func ask(
    _ preparation: Preparation, over descriptor: Int32, host: String, finish: @escaping @Sendable (Outcome) -> Void
  ) -> HTTPExchange {
    let channel = ClientBootstrap(group: group)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try Self.fill(channel.pipeline.syncOperations, preparation, host, finish)
        }
      }
      .withConnectedSocket(descriptor)
    channel.whenFailure { finish(.unclear("\($0)")) }
    return HTTPExchange(channel: channel)
  }

  private static func fill(
    _ pipeline: ChannelPipeline.SynchronousOperations, _ preparation: Preparation, _ host: String,
    _ finish: @escaping @Sendable (Outcome) -> Void
  ) throws {
    if let tls = preparation.tls {
      try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: preparation.name))
    }
    try pipeline.addHTTPClientHandlers()
    try pipeline.addHandler(
      HTTPReader(preparation.question, host: host, pattern: preparation.pattern, finish: finish))
  }
}
