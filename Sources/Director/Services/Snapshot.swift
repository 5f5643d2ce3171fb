import LVS

/// All that a worker needs to know of what is configured, as it was at one moment. A new one replaces it whole.
final class Snapshot: Sendable {
  let generation: UInt64
  let vips: [(IPAddress, UInt16)]
  /// By number; nil where a number is not in use.
  let services: [Service?]
  let rules: [MarkRule]
  let settings: Settings
  let link: Link
  /// How often servers were removed whose connections are to end with them.
  let flushes: UInt64

  init(
    generation: UInt64, vips: [(IPAddress, UInt16)], services: [Service?], rules: [MarkRule], settings: Settings,
    link: Link,
    flushes: UInt64 = 0
  ) {
    self.generation = generation
    self.vips = vips
    self.services = services
    self.rules = rules
    self.settings = settings
    self.link = link
    self.flushes = flushes
  }

  /// The tables that a worker looks things up in.
  func table() -> ServiceTable {
    ServiceTable(vips: vips, services: services.compactMap { $0?.entry }, rules: rules, hosts: link.addresses)
  }
}

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
