import Hummingbird
import LVS
import Logging
import ServiceLifecycle

/// The API on a Unix socket that only its owner may use.
public struct ControlServer: Service {
  let socket: ControlSocket
  let controller: Controller
  let logger: Logger

  public init(socket: ControlSocket, controller: Controller, logger: Logger) {
    (self.socket, self.controller, self.logger) = (socket, controller, logger)
  }

  /// Serves until a graceful shutdown; the socket is gone on return.
  public func run() async throws {
    try await socket.claim()
    // The socket must have mode 0600 from its first moment, and its mode comes from the umask of the moment it is bound.
    let ownerOnly = OwnerOnly()
    defer { ownerOnly.end() }
    let application = Application(
      router: Routes(controller: controller).router(),
      configuration: ApplicationConfiguration(address: .unixDomainSocket(path: socket.path)),
      onServerRunning: { _ in
        ownerOnly.end()
        logger.info("control socket open", metadata: ["socket": "\(socket.path)"])
      },
      logger: logger.silent)
    defer { socket.remove() }
    do {
      try await application.run()
    } catch {
      throw PlaneError.unavailable("\(socket.path) cannot be the control socket: \(SocketProblem(error))")
    }
  }
}

/// Prometheus text over TCP, and nothing else.
public struct MetricsServer: Service {
  let address: Endpoint
  let controller: Controller
  let logger: Logger

  public init(address: Endpoint, controller: Controller, logger: Logger) {
    (self.address, self.controller, self.logger) = (address, controller, logger)
  }

  public func run() async throws {
    let router = Router(context: StreamContext.self)
    router.add(middleware: ErrorLines())
    router.addMetrics(of: controller)
    let application = Application(
      router: router,
      configuration: ApplicationConfiguration(
        address: .hostname(address.address.description, port: Int(address.port))),
      onServerRunning: { _ in logger.info("metrics open", metadata: ["address": "\(address)"]) },
      logger: logger.silent)
    do {
      try await application.run()
    } catch {
      throw PlaneError.unavailable("metrics cannot be served on \(address): \(SocketProblem(error))")
    }
  }
}

extension Logger {
  /// For the HTTP server, which logs each connection, and what it throws besides.
  fileprivate var silent: Logger {
    var logger = self
    logger.logLevel = .critical
    return logger
  }
}
