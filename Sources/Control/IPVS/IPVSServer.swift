import IPVSMessages
import LVS
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// The family `IPVS` of generic netlink on a Unix stream socket beside the control socket, for whoever may use that
/// one: where `libipvs-lbd.so` leads programs that would steer a kernel. Each message of the stream is answered in order.
public struct IPVSServer: Service {
  typealias Client = NIOAsyncChannel<[UInt8], ByteBuffer>

  /// A connection is served for one request; many at once are somebody's mistake, and wait.
  private static let mostClients = 64
  /// A connection on which nothing happens for so long is closed.
  private static let patience = TimeAmount.seconds(60)

  private let socket: ControlSocket
  private let core: ControlCore
  private let logger: Logger
  private let server: NIOAsyncChannel<Client, Never>

  /// Opens the socket. Who connects from then on is answered as soon as this runs, which it must.
  ///
  /// - Parameters:
  ///   - control: the control socket, beside which this one is. Whoever owns that owns this.
  ///   - group: who may use the socket beside its owner.
  public init(
    beside control: ControlSocket, core: ControlCore, logger: Logger, group: SocketGroup? = nil
  ) async throws(PlaneError) {
    (socket, self.core, self.logger) = (control.ipvs, core, logger)
    // Its mode comes from the umask of the moment it is bound.
    let ownerOnly = OwnerOnly()
    defer { ownerOnly.end() }
    do {
      server = try await Self.bind(socket.path)
    } catch {
      throw .unavailable("\(socket.path) cannot be the IPVS socket: \(SocketProblem(error))")
    }
    try group?.open(socket.path)
    logger.info("IPVS socket open", metadata: ["socket": "\(socket.path)"])
  }

  private static func bind(_ path: String) async throws -> NIOAsyncChannel<Client, Never> {
    try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .serverChannelOption(.backlog, value: 64)
      // Who has said all still hears the answer.
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true) { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandlers(
            IdleStateHandler(allTimeout: patience), IdleCloser(), ByteToMessageHandler(NetlinkDecoder()))
          return try Client(wrappingChannelSynchronously: channel)
        }
      }
  }

  /// Serves until a graceful shutdown; the socket is gone on return.
  public func run() async throws {
    let file = FilePath(path: socket.path)
    defer { if file.isSocket { file.remove() } }
    let answers = IPVSAnswers(core: core)
    try await server.executeThenClose { clients in
      await withTaskGroup(of: Void.self) { group in
        var count = 0
        do {
          for try await client in clients.cancelOnGracefulShutdown() {
            if count == Self.mostClients { await group.next() } else { count += 1 }
            group.addTask { await Self.serve(client, answers) }
          }
        } catch {
          logger.error("IPVS socket closed", metadata: ["reason": "\(SocketProblem(error))"])
        }
        // Whoever is being served may go on no longer than the daemon.
        group.cancelAll()
      }
    }
  }

  /// A client that breaks off, or sends what is no message, has had its answer.
  private static func serve(_ client: Client, _ answers: IPVSAnswers) async {
    try? await client.executeThenClose { requests, answer in
      for try await request in requests {
        if request.isForConnections {
          return try await answers.connections { try await answer.write(ByteBuffer(string: $0)) }
        }
        try await answer.write(ByteBuffer(bytes: await answers.answer(request)))
      }
    }
  }
}

extension ControlSocket {
  /// Where the family `IPVS` is answered: `/run/lbd.ipvs.sock` for `/run/lbd.sock`.
  public var ipvs: ControlSocket { beside("ipvs") }

  /// Another socket beside this one, told from it by a word.
  func beside(_ word: String) -> ControlSocket {
    let end = ".sock"
    return ControlSocket(path.hasSuffix(end) ? path.dropLast(end.count) + ".\(word)" + end : path + ".\(word)")
  }
}

extension [UInt8] {
  /// Whether this is the request for the connections' text, which has no end but the stream's.
  fileprivate var isForConnections: Bool {
    count >= NetlinkHeader.genericSize && NetlinkHeader(self[...])?.type == IPVSFamily.number
      && self[NetlinkHeader.size] == IPVSFamily.readConnections
  }
}

extension IPVSAnswers {
  /// Hands over `/proc/net/ip_vs_conn` in pieces, no faster than they are taken.
  func connections(_ write: @escaping @Sendable (String) async throws -> Void) async throws {
    try await write(ConnectionText.title)
    try await core.plane.connections(ConnectionFilter()) { rows in
      do {
        try await write(ConnectionText.rows(rows))
        return true
      } catch {
        // The reader has gone.
        return false
      }
    }
  }
}

/// Closes a connection on which nothing happens.
private final class IdleCloser: ChannelInboundHandler {
  typealias InboundIn = NIOAny

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is IdleStateHandler.IdleStateEvent {
      context.close(promise: nil)
    } else {
      context.fireUserInboundEventTriggered(event)
    }
  }
}
