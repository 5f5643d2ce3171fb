import Control
import LVS
import Logging
import ServiceLifecycle

/// The running director: a plane, the door to it, and what serves it, until SIGTERM or SIGINT.
struct Daemon {
  let options: Lbd
  let configuration: Configuration?
  let logger: Logger

  /// The socket is claimed before the plane opens, so that a second lbd touches nothing on the wire.
  func run() async throws {
    let socket = ControlSocket(options.control.socket)
    try await socket.claim()
    let configured = configuration?.services.map(\.service.key) ?? []
    let plane = try await openPlane(options, configured: configured) { [logger] event in event.log(to: logger) }
    let controller = Controller(plane, logger: logger)
    do {
      if let configuration { try await controller.reconcile(to: configuration) }
    } catch {
      await plane.stop()
      throw error
    }
    logger.info("started", metadata: ["interface": "\(options.network.interface ?? "")"])
    try await group(plane, controller, socket).run()
    logger.info("stopped")
  }

  /// Services end in the reverse of this order: the plane forwards until nobody can steer it any more.
  private func group(_ plane: any StoppablePlane, _ controller: Controller, _ socket: ControlSocket) -> ServiceGroup {
    var services: [any Service] = [PlaneService(plane: plane)]
    if let address = options.control.metrics {
      services.append(MetricsServer(address: address, controller: controller, logger: logger))
    }
    services.append(ControlServer(socket: socket, controller: controller, logger: logger))
    // What ends a service is thrown, and printed once by the program itself.
    var silent = logger
    silent.logLevel = .critical
    return ServiceGroup(services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: silent)
  }
}

/// Stops the plane when the daemon ends, in whichever way.
private struct PlaneService: Service {
  let plane: any StoppablePlane

  func run() async throws {
    try? await gracefulShutdown()
    await plane.stop()
  }
}
