import LVS

/// Connections and templates that another director has, entered as IPVS's backup enters them (`ip_vs_proc_conn`).
///
/// The wire chooses them, so they never cost a live connection: they find no room in the last eighth of the table, and
/// one that goes to another server than a connection that has packets here is refused.
extension Director {
  /// The longest lifetime that is believed, in hundredths of a second: what the clock can tell.
  private static let longest = UInt32(Int32.max) / 2

  /// Enters what a peer told.
  mutating func take(_ flows: SyncedFlows) {
    keepUp()
    for record in flows.records {
      let (flow, isSnapshot) = (record.flow, record.isSnapshot)
      flows.figures.take(flow.isTemplate ? template(flow, isSnapshot) : connection(flow, isSnapshot))
    }
  }

  private mutating func connection(_ flow: FlowRecord, _ isSnapshot: Bool) -> SyncOutcome {
    guard let state = ConnectionState(flow), flow.engine == nil, !flow.flags.contains(.noClientPort), isPossible(flow)
    else { return .unfit }
    guard let vip = table.vip(flow.virtual.address), let (service, server) = server(for: flow, vip) else {
      return .unknown
    }
    let key = ConnectionKey(
      client: flow.client.address, clientPort: flow.client.port, vip: vip, virtualPort: flow.virtual.port,
      transport: flow.transport)
    let known = connections.find(key)
    if known != 0, isSnapshot { return connections[known].server == server ? .known : .conflict }
    if known != 0, connections[known].server == server {
      update(known, flow, state)
      return .updated
    }
    if known != 0 {
      guard !flow.flags.contains(.inactive), isReplaceable(known) else { return .conflict }
      end(known, forced: false)
    }
    guard connections.count < shared.room.total / shared.room.workers / 8 * 7, hasFreeRoom() else { return .full }
    let servers = servers
    service.locked { $0.bind(server, servers, active: state.isActive) }
    let number = open(key, server, 0, state, for: timeout(state))
    mark(number, flow, state, lane: state == .udp ? .settled : state.lane)
    return .entered
  }

  /// What the pipe counts on of every connection's client.
  private func isPossible(_ flow: FlowRecord) -> Bool {
    let client = flow.client.address
    return client.isUnicast && !client.isLoopback && client != flow.virtual.address && !table.isOwn(client)
  }

  private func server(for flow: FlowRecord, _ vip: UInt16) -> (Service, ServerNumber)? {
    var service: Service?
    if flow.mark != 0 {
      service = snapshot.service(.fwmark(flow.mark, flow.family))
    } else if case let match = table.service(vip, flow.transport, flow.virtual.port), match != .none {
      service = snapshot.services[Int(match.number)]
    }
    let servers = servers
    guard let service, let server = service.locked({ $0.server(for: flow, servers) }) else { return nil }
    return (service, server)
  }

  /// Whether a connection may give way to the peer's: it had no packet here since a peer told of it, or not of late.
  private func isReplaceable(_ number: ConnectionNumber) -> Bool {
    connections[number].flags.contains(.synced) && connections[number].packets == settings.syncThreshold
      || isQuiet(number)
  }

  private mutating func update(_ number: ConnectionNumber, _ flow: FlowRecord, _ state: ConnectionState) {
    if state.rawValue != connections[number].state { enter(state, number) }
    mark(number, flow, state, lane: connections[number].lane)
  }

  /// As a connection of a peer's is: told of, and with the peer's time.
  private mutating func mark(_ number: ConnectionNumber, _ flow: FlowRecord, _ state: ConnectionState, lane: Lane) {
    connections[number].flags.insert(.synced)
    connections[number].packets = settings.syncThreshold
    connections.time(number, expires: now &+ lifetime(flow, timeout(state)), lane: lane)
  }

  private func lifetime(_ flow: FlowRecord, _ standard: UInt32) -> UInt32 {
    flow.timeLeft == 0
      ? standard : flow.timeLeft > Self.longest / ticksPerSecond ? Self.longest : flow.timeLeft * ticksPerSecond
  }

  private mutating func template(_ flow: FlowRecord, _ isSnapshot: Bool) -> SyncOutcome {
    guard flow.engine == nil else { return .unfit }
    var (vip, port): (UInt16, UInt16) = (UInt16(flow.mark >> 16), UInt16(truncatingIfNeeded: flow.mark))
    if flow.transport != 0 {
      guard let number = table.vip(flow.virtual.address) else { return .unknown }
      (vip, port) = (number, flow.virtual.port)
    } else if flow.mark == 0 {
      return .unfit
    }
    guard let (_, server) = server(for: flow, vip) else { return .unknown }
    let key = ConnectionKey(
      client: flow.client.address, clientPort: 0, vip: vip, virtualPort: port, transport: flow.transport)
    return shared.persistence.take(
      key, server: server, lifetime: lifetime(flow, Self.templateLifetime), isAssured: flow.state == 1, isSnapshot, now)
  }

  /// `IP_VS_SYNC_CONN_TIMEOUT`, where the peer does not say.
  private static let templateLifetime = 180 * ticksPerSecond
}
