import Control
import IPVSMessages
import KernelIPVS
import LVS

/// What `ipvsadm -L` and `-S` print.
struct IpvsadmListing {
  let plane: IpvsadmPlane
  let options: Set<IpvsadmOption>

  func print(_ command: IpvsadmCommand) throws {
    if command.verb == .save { return try printRules() }
    if options.contains(.connection) { return try printConnections() }
    if let key = command.key.key { return try write(one(key)) }
    if options.contains(.timeout) { return try write(timeouts()) }
    if options.contains(.daemon) { return try write(daemons()) }
    try printAll()
  }

  func printAll() throws {
    let services = try services()
    try write(layout.head(size: plane.tableSize))
    try inPieces(services) { layout.rows($0, style: style) }
  }

  private func one(_ key: ServiceKey) throws -> String {
    let service = try plane.call(API.services, ServiceChoice(key))
    return layout.text(
      options.contains(.nosort) ? service : service.map(ListingOrder.withSortedServers), isWhole: false, style: style)
  }

  /// On the user-space plane with the limits that ipvsadm itself forgets.
  private func printRules() throws {
    var listing = RuleListing()
    listing.name = name
    if plane.kernel == nil { listing.showsThresholds = true }
    try inPieces(try services()) { listing.text($0) }
  }

  /// In order, but for their servers.
  private func services() throws -> [ServiceStatus] {
    let services = try plane.call(API.services, ServiceChoice())
    return options.contains(.nosort) ? services : ListingOrder.sorted(services)
  }

  /// Writes the text of some services at a time: that of a large table would be megabytes in one piece.
  private func inPieces(_ services: [ServiceStatus], _ text: ([ServiceStatus]) -> String) throws {
    for start in stride(from: 0, to: services.count, by: Self.piece) {
      let piece = services[start..<min(start + Self.piece, services.count)]
      try write(text(options.contains(.nosort) ? Array(piece) : piece.map(ListingOrder.withSortedServers)))
    }
  }

  private static let piece = 64

  private var layout: ServiceListing {
    let layouts: [(IpvsadmOption, ServiceListing)] = [
      (.stats, .statistics), (.rate, .rates), (.thresholds, .thresholds), (.persistentConn, .persistentConnections),
      (.tunInfo, .tunnels),
    ]
    return layouts.first { options.contains($0.0) }?.1 ?? .plain
  }

  private var style: ServiceListing.Style {
    var style = ServiceListing.Style()
    (style.isExact, style.isSorted, style.name) = (options.contains(.exact), false, name)
    return style
  }

  private var name: @Sendable (Endpoint, TransportProtocol?) -> String {
    if options.contains(.numeric) { return { endpoint, _ in endpoint.description } }
    return { endpoint, transport in HostNames.text(endpoint, transport) }
  }

  private func timeouts() throws -> String {
    let timeouts = try plane.call(API.timeouts)
    return "Timeout (tcp tcpfin udp): \(timeouts.tcp) \(timeouts.tcpFin) \(timeouts.udp)\n"
  }

  private func daemons() throws -> String {
    try plane.daemons().map { $0.listing + "\n" }.joined()
  }

  private func printConnections() throws {
    let withEngines = options.contains(.persistentConn)
    try write(withEngines ? ConnectionListing.titleWithEngines : ConnectionListing.title)
    guard plane.kernel != nil else {
      return try wait { [name, client = plane.client] in
        try await client.connections(ConnectionFilter()) { rows in
          try write(rows.map { ConnectionListing.row($0, name: name) }.joined())
        }
      }
    }
    var rows = try ProcConnections()
    while let slice = rows.next() {
      try write(slice.map { row($0, withEngines) }.joined())
    }
  }

  private func row(_ row: ProcConnection, _ withEngines: Bool) -> String {
    let engine = withEngines ? row.engine.map { (name: $0, data: row.engineData ?? "") } : nil
    return ConnectionListing.row(row.status, engine: engine, name: name)
  }
}

extension SyncDaemon {
  fileprivate var listing: String {
    var facts = ["mcast=\(interface)", "syncid=\(syncID)"]
    if maxLength != 0 { facts.append("maxlen=\(maxLength)") }
    if let group { facts.append("group=\(group)") }
    if port != 0 { facts.append("port=\(port)") }
    if ttl != 0 { facts.append("ttl=\(ttl)") }
    return "\(role == .master ? "master" : "backup") sync daemon (\(facts.joined(separator: ", ")))"
  }
}
