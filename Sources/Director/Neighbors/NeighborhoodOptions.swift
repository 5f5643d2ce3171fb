import LVS

/// What follows from the options for the LAN.
extension DirectorOptions {
  var timing: VIPTiming {
    VIPTiming(
      probeCount: probeCount, probeInterval: UInt64(probeInterval), announceCount: announceCount,
      announceInterval: UInt64(announceInterval), announceRefresh: UInt64(announceRefresh) * 1_000,
      yields: yieldsConflicts)
  }

  var peers: Neighborhood.Peers { Neighborhood.Peers(stations: peerStations, addresses: peerAddresses) }

  func neighborhood(on interface: Interface, _ neighbors: NeighborTable) -> Neighborhood {
    Neighborhood(
      mac: interface.mac, virtual: virtualMAC, addresses: interface.addresses, fixedSender: address, timing: timing,
      peers: peers, neighbors: neighbors)
  }
}
