import LVS

/// All that a worker needs to know of what is configured, as it was at one moment. A new one replaces it whole.
final class Snapshot: Sendable {
  /// Counts up with each snapshot that is published; 0 before the first.
  let moment: UInt64
  let vips: [(IPAddress, UInt16)]
  /// By number; nil where a number is not in use.
  let services: [Service?]
  /// What services are looked up by.
  let entries: [ServiceTable.Entry]
  let rules: [MarkRule]
  let settings: Settings
  let link: Link

  init(
    moment: UInt64, vips: [(IPAddress, UInt16)], services: [Service?], entries: [ServiceTable.Entry],
    rules: [MarkRule], settings: Settings, link: Link
  ) {
    self.moment = moment
    self.vips = vips
    self.services = services
    self.entries = entries
    self.rules = rules
    self.settings = settings
    self.link = link
  }

  /// Before anything is configured.
  static var nothing: Snapshot {
    Snapshot(
      moment: 0, vips: [], services: [], entries: [], rules: [], settings: Settings(), link: Link(mac: .zero, mtu: 0))
  }

  func service(_ key: ServiceKey) -> Service? {
    entries.first { $0.key == key }.flatMap { services[Int($0.match.number)] }
  }

  /// The tables that a worker looks things up in.
  func table() -> ServiceTable {
    ServiceTable(vips: vips, services: entries, rules: rules, hosts: link.addresses)
  }
}
