import Glibc
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
    let before = umask(0o177)
    defer { umask(before) }
    var quiet = logger
    quiet.logLevel = max(logger.logLevel, .warning)
    let application = Application(
      router: Routes(controller: controller).router(),
      configuration: ApplicationConfiguration(address: .unixDomainSocket(path: socket.path)),
      onServerRunning: { _ in
        umask(before)
        logger.info("control socket open", metadata: ["socket": "\(socket.path)"])
      },
      logger: quiet)
    defer { socket.remove() }
    try await application.run()
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
    let router = Router()
    router.add(middleware: ErrorLines())
    router.addMetrics(of: controller)
    var quiet = logger
    quiet.logLevel = max(logger.logLevel, .warning)
    let application = Application(
      router: router,
      configuration: ApplicationConfiguration(
        address: .hostname(address.address.description, port: Int(address.port))),
      onServerRunning: { _ in logger.info("metrics open", metadata: ["address": "\(address)"]) },
      logger: quiet)
    do {
      try await application.run()
    } catch {
      throw PlaneError.unavailable("metrics cannot be served on \(address): \(error)")
    }
  }
}
