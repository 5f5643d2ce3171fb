import LVS

/// The director's place on its LAN.
struct Link: Sendable, Equatable {
  /// The source of forwarded frames and of announcements.
  var mac: MACAddress
  /// The largest IP packet that the interface carries.
  var mtu: Int
  /// The director's own addresses, beside the VIPs.
  var addresses: [IPAddress] = []
  /// What becomes of packets for a VIP that no service or connection wants.
  var rejectsUnclaimed = true
  /// Whether checksums may come in that a local sender left to its device, without a sign of it.
  var leavesChecksums = false
}
