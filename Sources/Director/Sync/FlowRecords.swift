import LVS

/// Makes of records in the tables what other directors are told, as IPVS's master puts it.
struct FlowRecords {
  let services: [Service?]
  /// Services whose templates go by a Call-ID, of which only the hash is known: nobody is told of these.
  private let byCallID: Set<ServiceNumber>
  private let servers: ServerTable
  private let vips: [UInt16: IPAddress]
  private let timeouts: StateTimeouts

  init(_ snapshot: Snapshot, _ servers: ServerTable) {
    (services, self.servers, timeouts) = (snapshot.services, servers, snapshot.settings.timeouts)
    byCallID = Set(snapshot.entries.filter(\.match.usesCallID).map(\.match.number))
    vips = Dictionary(snapshot.vips.map { ($0.1, $0.0) }, uniquingKeysWith: { first, _ in first })
  }

  /// How long a connection lives in its state, in hundredths of a second.
  func timeout(_ record: Connection) -> UInt32 { timeouts[ConnectionState(stored: record.state)] }

  /// nil where there is no VIP or service of it any more.
  func connection(_ record: Connection) -> FlowRecord? {
    guard let vip = vips[record.vip], let service = service(of: record) else { return nil }
    let server = servers[record.server].endpoint
    // Direct routing keeps the port.
    return FlowRecord(
      transport: record.transport, client: Endpoint(record.client(server.address.family), record.clientPort),
      virtual: Endpoint(vip, record.virtualPort), server: Endpoint(server.address, record.virtualPort),
      mark: service.key.mark, flags: record.flags.contains(.inactive) ? [.noOutput, .inactive] : .noOutput,
      state: ConnectionState(stored: record.state).kernelNumber, timeLeft: timeout(record) / ticksPerSecond)
  }

  /// nil where nobody can be told of the template.
  func template(_ record: Connection) -> FlowRecord? {
    guard !record.isInvalidated, let service = service(of: record), !byCallID.contains(service.number) else {
      return nil
    }
    let server = servers[record.server].endpoint
    let mark = UInt32(record.vip) << 16 | UInt32(record.virtualPort)
    let isMark = record.transport == 0
    guard let virtual = isMark ? Self.address(mark, server.address.family) : vips[record.vip] else { return nil }
    let port = isMark ? 0 : record.virtualPort
    return FlowRecord(
      transport: record.transport, client: Endpoint(record.client(server.address.family), 0),
      virtual: Endpoint(virtual, port), server: Endpoint(server.address, port), mark: service.key.mark,
      flags: [.noOutput, .inactive, .template], state: record.flags.contains(.assured) ? 1 : 0,
      timeLeft: record.lifetime / ticksPerSecond)
  }

  private func service(of record: Connection) -> Service? {
    let number = Int(servers[record.server].service)
    return services.indices.contains(number) ? services[number] : nil
  }

  /// A mark in the place of an address, of which it is the first four bytes.
  private static func address(_ mark: UInt32, _ family: IPAddress.Family) -> IPAddress {
    family == .v4 ? IPAddress(v4: mark) : IPAddress(v6: UInt64(mark) << 32, 0)
  }
}

extension ServiceKey {
  /// 0 for a service by address.
  fileprivate var mark: UInt32 {
    if case .fwmark(let mark, _) = self { mark } else { 0 }
  }
}
