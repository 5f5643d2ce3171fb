import LVS

/// Makes rows of a listing out of records that were copied from a table, those that a filter wants.
struct ConnectionRows {
  private let filter: ConnectionFilter
  private let service: ServiceKey?
  private let services: [Service?]
  private let servers: ServerTable
  private let vips: [UInt16: IPAddress]

  init(_ filter: ConnectionFilter, _ snapshot: Snapshot, _ servers: ServerTable) {
    var inRow = filter
    inRow.service = nil
    (self.filter, service) = (inRow, filter.service)
    (services, self.servers) = (snapshot.services, servers)
    vips = Dictionary(snapshot.vips.map { ($0.1, $0.0) }, uniquingKeysWith: { first, _ in first })
  }

  func rows(_ records: [Connection], _ now: UInt32) -> [ConnectionStatus] {
    records.compactMap { record in
      guard isOfService(record), let row = row(record, now), filter.matches(row) else { return nil }
      return row
    }
  }

  /// Whether the service that was asked for took the connection, to whichever of its ports that goes.
  private func isOfService(_ record: Connection) -> Bool {
    guard let service else { return true }
    let number = Int(servers[record.server].service)
    return services.indices.contains(number) && services[number]?.key == service
  }

  /// nil where the VIP is none any more.
  func row(_ record: Connection, _ now: UInt32) -> ConnectionStatus? {
    let end = servers[record.server].endpoint
    let isMark = record.transport == 0
    let mark = UInt32(record.vip) << 16 | UInt32(record.virtualPort)
    guard let vip = isMark ? IPAddress(v4: mark) : vips[record.vip] else { return nil }
    // Direct routing keeps the port, so the server's is the packet's: not that of FTP's service for its data.
    let port = record.isInvalidated ? .max : isMark ? 0 : record.virtualPort
    let isTemplate = record.flags.contains(.template)
    let left = Int32(bitPattern: record.expires &- now)
    let state = ConnectionState(rawValue: record.state) ?? .none
    return ConnectionStatus(
      transport: TransportProtocol(rawValue: record.transport)?.name ?? "ip",
      client: Endpoint(record.client(end.address.family), record.clientPort),
      virtual: Endpoint(vip, port), server: Endpoint(end.address, port),
      state: isTemplate ? (record.flags.contains(.assured) ? "ASSURED" : "NONE") : state.name,
      expires: left > 0 ? UInt32(left) / ticksPerSecond : 0, isTemplate: isTemplate)
  }
}
