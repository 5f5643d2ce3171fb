import Hummingbird
import HummingbirdCore
import LVS
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization

/// The API on a Unix socket that only its owner may use, and a group where there is one.
public struct ControlServer: Service {
  let claim: SocketClaim
  let core: ControlCore
  let reloading: Reloading
  let logger: Logger
  let group: SocketGroup?
  let opened: @Sendable () -> Void

  /// - Parameters:
  ///   - group: who may use the socket beside its owner.
  ///   - opened: called once requests are answered.
  public init(
    at claim: SocketClaim, core: ControlCore, reloading: Reloading, logger: Logger, group: SocketGroup? = nil,
    opened: @escaping @Sendable () -> Void = {}
  ) {
    (self.claim, self.core, self.reloading) = (claim, core, reloading)
    (self.logger, self.group, self.opened) = (logger, group, opened)
  }

  /// Serves until a graceful shutdown; the socket is gone on return.
  public func run() async throws {
    let socket = claim.socket
    // The socket must have mode 0600 from its first moment, and its mode comes from the umask of the moment it is bound.
    let ownerOnly = OwnerOnly()
    defer { ownerOnly.end() }
    let application = Application(
      router: Routes(core: core, reloading: reloading).router(),
      server: .http1(configuration: HTTP1Channel.Configuration(additionalChannelHandlers: [FirstRequestTimeout()])),
      configuration: ApplicationConfiguration(
        address: .unixDomainSocket(path: socket.path),
        availableConnectionsDelegate: .maximum(ConnectionShare.control, logger: logger.silent)),
      onServerRunning: { channel in
        ownerOnly.end()
        await logger.pauseWithoutDescriptors(channel, "control")
        do throws(PlaneError) {
          try group?.open(socket.path)
        } catch {
          logger.error("the control socket is its owner's alone: \(error)")
        }
        logger.info("control socket open", metadata: ["socket": "\(socket.path)"])
        opened()
      },
      logger: logger.silent)
    defer { claim.removeSocket() }
    do {
      try await application.run()
    } catch {
      throw socket.unusable("\(SocketProblem(error))")
    }
  }
}

/// Prometheus text over TCP, and nothing else.
public struct MetricsServer: Service {
  let address: Endpoint
  let core: ControlCore
  let logger: Logger

  public init(address: Endpoint, core: ControlCore, logger: Logger) {
    (self.address, self.core, self.logger) = (address, core, logger)
  }

  public func run() async throws {
    let router = Router(context: StreamContext.self)
    router.add(middleware: ErrorLines())
    router.addMetrics(of: core)
    let seats = Seats(ConnectionShare.metrics)
    let application = Application(
      router: router,
      server: .http1(configuration: HTTP1Channel.Configuration(additionalChannelHandlers: [SeatHandler(seats)])),
      configuration: ApplicationConfiguration(
        address: .hostname(address.address.description, port: Int(address.port))),
      onServerRunning: { channel in
        await logger.pauseWithoutDescriptors(channel, "metrics")
        logger.info("metrics open", metadata: ["address": "\(address)"])
      },
      logger: logger.silent)
    do {
      try await application.run()
    } catch {
      throw PlaneError.unavailable("metrics cannot be served on \(address): \(SocketProblem(error))")
    }
  }
}

extension Logger {
  /// Has a listening channel rest when it cannot accept, and says so, but not each time.
  fileprivate func pauseWithoutDescriptors(_ channel: any Channel, _ what: String) async {
    let told = Mutex(NIODeadline.distantPast)
    let pause = AcceptPause { error in
      let isDue = told.withLock { told in
        guard told + .seconds(10) < .now() else { return false }
        told = .now()
        return true
      }
      if isDue { warning("no connection for \(what) can be accepted: \(SocketProblem(error))") }
    }
    do {
      // Before NIO's own handler, which keeps such errors to itself.
      try await channel.pipeline.addHandler(pause, position: .first).get()
    } catch {
      warning("the server for \(what) has closed: \(error)")
    }
  }

  /// For the HTTP server, which logs each connection, and what it throws besides.
  fileprivate var silent: Logger {
    var logger = self
    logger.logLevel = .critical
    return logger
  }
}
