import Capture
import Control
import Director
import Health
import KernelDirector
import LVS
import Logging

extension Lbd {
  /// The plane that the command line asks for, and the core that steers it. The plane has to be stopped.
  ///
  /// - Parameters:
  ///   - lock: the right to the interface.
  ///   - stored: what the lbd before this one left open.
  ///   - broker: what runs the commands of health checks.
  func openPlane(
    _ logger: Logger, at lock: InterfaceLock, _ stored: StoredDescriptors, _ broker: CommandBroker?
  ) async throws(PlaneError) -> (any ForwardingPlane, ControlCore) {
    let events: @Sendable (DirectorEvent) -> Void = { $0.log(to: logger) }
    switch network.dataPlane {
    case .afPacket, .afXDP:
      let kept = KeptDirectory(options: control.state, lock, logger)
      let told: (String) -> Void = { events(.warning($0)) }
      if kept?.configuration == nil {
        stored.discard(because: "there is no state that it belongs to (--state)", told: told)
      }
      var options = try planeOptions()
      // Of use together with what lbd knows alone.
      if kept != nil { options.stored = stored }
      let plane = try UserspacePlane(
        options, keptIn: kept?.directory, resuming: kept?.configuration?.forced, events: events)
      stored.discard(because: "it belongs to other options", told: told)
      try await startSync(of: plane)
      var facilities = plane.facilities
      facilities.capture = { filter throws(PlaneError) in try await plane.capture(filter: filter) }
      let path = DirectPathOptions(
        interface: network.interface ?? "", vlan: network.vlan, source: { [weak plane] in plane?.checkSource(for: $0) },
        reach: { [weak plane] in plane?.reach(of: $0) ?? .sought })
      let core = try core(of: plane, facilities, .init(directPath: path, broker: broker), logger, kept)
      guard kept?.configuration != nil else { return (plane, core) }
      do throws(PlaneError) {
        try await plane.resume()
        try await core.resume()
      } catch {
        await plane.stop()
        throw error
      }
      return (plane, core)
    case .kernel:
      let plane = try await KernelPlane(try planeOptions(), events: events)
      return (plane, try core(of: plane, plane.facilities, .init(broker: broker), logger))
    }
  }

  private func core(
    of plane: any ForwardingPlane, _ facilities: Facilities, _ options: HealthMonitor.Options, _ logger: Logger,
    _ kept: KeptDirectory? = nil
  ) throws(PlaneError) -> ControlCore {
    let reports = HealthReports()
    var facilities = facilities
    facilities.health = try HealthMonitor(options, report: reports.add)
    facilities.discovery = try DiscoveryMonitor(report: reports.add)
    let keep: ControlCore.Keep = if let kept { kept.keep } else { { _ in } }
    return ControlCore(
      plane, facilities: facilities, reports: reports, logger: logger, resuming: kept?.configuration, keep: keep)
  }

  private func startSync(of plane: UserspacePlane) async throws(PlaneError) {
    do throws(PlaneError) {
      for daemon in sync.daemons { try await plane.facilities.sync?.start(daemon) }
    } catch {
      await plane.stop()
      throw error
    }
  }

  func planeOptions() throws(PlaneError) -> DirectorOptions {
    var options = DirectorOptions(interface: network.interface ?? "")
    options.address = network.address
    options.vlan = network.vlan
    options.workers = network.workers
    options.xdp = network.dataPlane == .afXDP ? network.xdpMode : nil
    options.offloadsFlows = network.flowOffload == .auto
    options.connections = network.connections
    options.templates = network.templates
    options.standsBy = vips.standby
    options.probeCount = vips.probeCount
    options.probeInterval = vips.probeInterval
    options.announceCount = vips.announceCount
    options.announceInterval = vips.announceInterval
    options.announceRefresh = vips.announceRefresh
    options.yieldsConflicts = vips.conflict == .yield
    // RFC 5798, 7.3.
    options.virtualMAC = vips.virtualMac.map { MACAddress(0x0000_5e00_0100 | UInt64($0)) }
    options.checkInterval = vips.checkInterval
    for peer in vips.peer {
      switch peer {
      case .station(let mac): options.peerStations.insert(mac)
      case .address(let address): options.peerAddresses.insert(address)
      }
    }
    options.unclaimedReject = vips.unclaimed == .reject
    options.hostGuard = !vips.noHostGuard
    options.orphanLease = control.orphanLease
    options.syncKey = try sync.key()
    options.syncAll = sync.syncAll
    return options
  }
}
