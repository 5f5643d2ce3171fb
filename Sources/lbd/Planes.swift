import Capture
import Director
import LVS

/// A plane that the daemon opened and has to stop.
protocol StoppablePlane: ForwardingPlane {
  /// Leaves nothing behind on the host.
  func stop() async

  /// Returns when each of its threads has come round: they all work.
  func turn() async
}

extension UserspacePlane: StoppablePlane {}

/// The plane that the command line asks for.
///
/// - Parameter configured: the services that the daemon is to have. A kernel may have them from an earlier run.
func openPlane(
  _ lbd: Lbd, configured: [ServiceKey], events: @escaping @Sendable (DirectorEvent) -> Void
) async throws(PlaneError) -> any StoppablePlane {
  var options = UserspacePlane.Options(interface: lbd.network.interface ?? "")
  options.address = lbd.network.address
  options.vlan = lbd.network.vlan
  options.workers = lbd.network.workers
  options.xdp = lbd.network.dataPlane == .afXDP ? lbd.network.xdpMode : nil
  options.offloadsFlows = lbd.network.flowOffload == .auto
  options.connections = lbd.network.connections
  options.probeCount = lbd.vips.probeCount
  options.probeInterval = lbd.vips.probeInterval
  options.announceCount = lbd.vips.announceCount
  options.announceInterval = lbd.vips.announceInterval
  options.announceRefresh = lbd.vips.announceRefresh
  options.yieldsConflicts = lbd.vips.conflict == .yield
  // RFC 5798, 7.3.
  options.virtualMAC = lbd.vips.virtualMac.map { MACAddress(0x0000_5e00_0100 | UInt64($0)) }
  options.checkInterval = lbd.vips.checkInterval
  for peer in lbd.vips.peer {
    switch peer {
    case .station(let mac): options.peerStations.insert(mac)
    case .address(let address): options.peerAddresses.insert(address)
    }
  }
  options.unclaimedReject = lbd.vips.unclaimed == .reject
  options.hostGuard = !lbd.vips.noHostGuard
  return switch lbd.network.dataPlane {
  case .afPacket, .afXDP: try UserspacePlane(options, events: events)
  case .kernel: try await KernelDirector(options, claimed: configured, events: events)
  }
}
