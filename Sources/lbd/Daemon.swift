import Control
import Director
import LVS
import Logging
import ServiceLifecycle
import UnixSignals

/// The running director: a plane, the door to it, and what serves it, until SIGTERM or SIGINT.
struct Daemon {
  let options: Lbd
  let configuration: Configuration?
  let logger: Logger

  /// The socket and the interface are claimed before the plane opens, so that a second lbd touches nothing on the wire.
  func run() async throws {
    let stored = try await stored()
    let (claim, lock) = try await claims()
    let (plane, core) = try await options.openPlane(
      logger, at: lock, stored, options.control.socketGroup == nil ? Lbd.broker : nil)
    let (group, handover): (ServiceGroup, HandoverServer?)
    do {
      if let configuration, try await !load(configuration, core) { return await stop(plane, core) }
      (group, handover) = try await self.group(plane, core, claim, lock)
    } catch {
      await stop(plane, core)
      throw error
    }
    logger.info("started", metadata: ["interface": "\(options.network.interface ?? "")"])
    try await group.run()
    logger.info("stopped")
    claim.release()
    lock.release()
    let isKept = (plane as? UserspacePlane)?.keepsState ?? false
    handover?.complete(
      stored.kept,
      loss: isKept ? nil : "the lbd that ran kept no state (--state): its connections and services are lost")
  }

  /// What the lbd before this one left open: the one that is taken over from, or one that a service manager had.
  private func stored() async throws -> StoredDescriptors {
    let manager = ServiceManager()
    guard options.control.replace else { return manager.stored() }
    try options.planeOptions().check()
    let takeover = Takeover(
      of: ControlSocket(options.control.socket), interface: options.network.interface ?? "", vlan: options.network.vlan)
    let found = try await takeover.carryOut { [logger] in DirectorEvent.warning($0).log(to: logger) }
    return manager.stored(found)
  }

  /// The control socket's path and the interface. Whoever is taken over from may give them back a moment later.
  private func claims() async throws(PlaneError) -> (SocketClaim, InterfaceLock) {
    let claim = { () async throws(PlaneError) in
      let claim = try await ControlSocket(options.control.socket).claim()
      let lock = try InterfaceLock(
        interface: options.network.interface ?? "", vlan: options.network.vlan, socket: claim.socket)
      return (claim, lock)
    }
    return options.control.replace ? try await Takeover.retrying(claim) : try await claim()
  }

  private func stop(_ plane: any ForwardingPlane, _ core: ControlCore) async {
    await core.stopWatching()
    await plane.stop()
  }

  /// Has the plane forward for the configured services, VIPs that other hosts have for now left to them; whether nobody
  /// wants the daemon to end meanwhile.
  private func load(_ configuration: Configuration, _ core: ControlCore) async throws -> Bool {
    let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
    return try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        try await core.apply(configuration, .wait)
        return true
      }
      group.addTask { await !signals.contains { _ in true } }
      let goesOn = try await group.next() ?? true
      // What was begun is carried out to its end, so that all of it can be taken back.
      if goesOn { group.cancelAll() } else { _ = try? await group.next() }
      return goesOn
    }
  }

  /// Services end in the reverse of this order: the plane forwards until nobody can steer it any more.
  private func group(
    _ plane: any ForwardingPlane, _ core: ControlCore, _ claim: SocketClaim, _ lock: InterfaceLock
  ) async throws -> (ServiceGroup, HandoverServer?) {
    // Before lbctl is answered, so that what it starts finds it.
    let ipvs = try await IPVSServer(
      beside: claim.socket, core: core, logger: logger, group: options.control.socketGroup)
    let manager = ServiceManager()
    let reloading = Reloading(
      options.control.config, core, logger: logger, began: manager.reloading, ended: manager.ready)
    let handover =
      plane is UserspacePlane ? try HandoverServer(beside: claim.socket, lock, logger) : nil
    var services: [any Service] = [
      PlaneService(plane: plane, core: core, handover: handover), HealthKeeper(core),
      SignalService(reloading: reloading, logger: logger),
    ]
    if let address = options.control.metrics {
      services.append(MetricsServer(address: address, core: core, logger: logger))
    }
    services.append(ipvs)
    services.append(
      ControlServer(
        at: claim, core: core, reloading: reloading, logger: logger, group: options.control.socketGroup,
        opened: manager.ready))
    services.append(ManagerService(manager: manager, plane: plane))
    // What ends a service is thrown, and printed once by the program itself.
    var silent = logger
    silent.logLevel = .critical
    var configuration = ServiceGroupConfiguration(
      services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: silent)
    if let handover {
      configuration.services.append(
        .init(service: handover, successTerminationBehavior: .gracefullyShutdownGroup))
    }
    return (ServiceGroup(configuration: configuration), handover)
  }
}

/// Stops the plane when the daemon ends, in whichever way.
private struct PlaneService: Service {
  let plane: any ForwardingPlane
  let core: ControlCore
  let handover: HandoverServer?

  func run() async throws {
    // It throws where it is canceled, which is an end too.
    try? await gracefulShutdown()
    await core.stopWatching()
    if handover?.isGranted == true, let plane = plane as? UserspacePlane { return await plane.leave() }
    await plane.stop()
  }
}
