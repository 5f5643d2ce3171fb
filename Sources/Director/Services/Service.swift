import LVS
import Synchronization

/// A virtual service as all workers share it: its servers in order, its scheduler, its persistence templates.
///
/// It is touched when a connection begins, ends, or turns active or inactive; never for each packet. It outlives its
/// removal for as long as connections refer to its servers, so that adding it again finds them.
final class Service: Sendable {
  let number: ServiceNumber
  let key: ServiceKey
  /// The VIP's number in the service table.
  let vip: UInt16
  private let state: Mutex<ServiceState>

  init(_ state: consuming ServiceState, number: ServiceNumber, vip: UInt16) {
    self.number = number
    self.vip = vip
    key = state.definition.key
    self.state = Mutex(state)
  }

  /// Runs `body` with the service to itself.
  @inline(__always)
  func locked<Result: ~Copyable>(_ body: (inout sending ServiceState) -> sending Result) -> sending Result {
    state.withLock(body)
  }
}

/// What a service's lock guards. It is sendable because it is only ever reached through that lock.
struct ServiceState: ~Copyable, @unchecked Sendable {
  var definition: VirtualService
  /// Removed, but connections still refer to it.
  var isRemoved = false
  var list = ServerList()
  var scheduler: any Scheduler
  var meter = TrafficMeter()
  /// Removed servers by endpoint.
  var trash: [Endpoint: ServerNumber] = [:]
  /// What the service becomes at a moment that may have come already.
  var pending: PendingService?
  /// What outlives the process, and which of its rows this service's is.
  private let saved: KeptRows<SavedService>
  private let number: Int

  init(_ definition: VirtualService, scheduler: any Scheduler, _ saved: KeptRows<SavedService>, _ number: Int) {
    (self.definition, self.scheduler, self.saved, self.number) = (definition, scheduler, saved, number)
  }

  /// Makes what is counted now the service's new zero.
  mutating func zero(_ counted: Statistics) {
    meter.zero(counted)
    saved[number].zero = SavedStatistics(counted)
  }

  /// Has the scheduler go on where an earlier process's was, and the figures count from where they did.
  mutating func resume(_ turn: SchedulerTurn, _ counted: Statistics) {
    scheduler.turn = turn
    keepTurn()
    meter.resume(zero: saved[number].zero.statistics, counted)
  }

  /// Keeps whose turn it is.
  mutating func keepTurn() { saved[number].turn = scheduler.turn }

  /// What came of a new connection.
  enum Opening {
    case server(ServerNumber, template: TemplateNumber)
    /// No server can take it.
    case noServer
    /// The service does not want this packet after all.
    case notOurs
    case templatesFull
  }

  /// Finds a server for a new connection and counts it there.
  ///
  /// - Parameters:
  ///   - port: the packet's destination port, which differs from the service's where that takes many.
  ///   - callID: the hash of the message's Call-ID, where the service's engine goes by that, else 0.
  ///   - active: whether the connection is active in its first state; nil for one that leaves no trace.
  ///   - expireQuiescent: whether a template to a quiesced server is not used any more.
  mutating func open(
    _ new: NewConnection, port: UInt16, vip: UInt16, callID: UInt64, active: Bool?, expireQuiescent: Bool,
    _ shared: SharedTables
  ) -> Opening {
    if let moment = pending?.moment, shared.publication.moment >= moment { enterPending(shared.servers) }
    guard !isRemoved else { return .notOurs }
    let (template, server): (TemplateNumber, ServerNumber)
    if let persistence = definition.persistence {
      switch adopt(
        new, port: port, vip: vip, callID, persistence, countsChild: active != nil, expireQuiescent: expireQuiescent,
        shared)
      {
      case .template(let number, let target): (template, server) = (number, target)
      case .noServer: return .noServer
      case .full: return .templatesFull
      }
    } else {
      guard isForPort(port) else { return .notOurs }
      guard let picked = pick(new) else { return .noServer }
      (template, server) = (0, picked)
    }
    if let active { bind(server, shared.servers, active: active) }
    return .server(server, template: template)
  }

  /// A service that takes all ports, or FTP's other ones, needs persistence to be of use.
  private func isForPort(_ port: UInt16) -> Bool {
    guard case .endpoint(_, let end) = definition.key else { return true }
    return end.port == port
  }

  /// The client's template, found or made.
  private mutating func adopt(
    _ new: NewConnection, port: UInt16, vip: UInt16, _ callID: UInt64, _ persistence: Persistence, countsChild: Bool,
    expireQuiescent: Bool, _ shared: SharedTables
  ) -> PersistenceTable.Adoption {
    let key = PersistenceTable.key(
      new.client, port: port, vip: vip, definition.key, persistence.netmask, callID: callID)
    return shared.persistence.adopt(
      key, callID: callID, lifetime: persistence.timeout * ticksPerSecond, new.now,
      expireQuiescent: expireQuiescent, countsChild: countsChild
    ) { pick(new) }
  }

  /// Selects a server; nil where none can take the connection.
  private mutating func pick(_ connection: NewConnection) -> ServerNumber? {
    let picked = scheduler.pick(connection, list)
    keepTurn()
    guard let picked, picked < list.count else { return nil }
    return list[picked].id
  }

  /// Counts a new connection at its server.
  mutating func bind(_ server: ServerNumber, _ servers: ServerTable, active: Bool) {
    if active { servers[stateOf: server].active += 1 } else { servers[stateOf: server].inactive += 1 }
    servers.updateOverload(server)
    publish(server, servers)
  }

  /// The server that another director's connection or template goes to, as it is known here (`ip_vs_find_dest`): that
  /// with its port, or of all ports, which a service by mark has first; nil where there is none.
  func server(for flow: FlowRecord, _ servers: ServerTable) -> ServerNumber? {
    guard !isRemoved, definition.persistenceEngine == nil || !flow.isTemplate else { return nil }
    let ports = flow.mark == 0 ? [flow.server.port, 0] : [0, flow.server.port]
    for port in ports {
      let endpoint = Endpoint(flow.server.address, port)
      for position in 0..<list.count where servers[list[position].id].endpoint == endpoint { return list[position].id }
    }
    return nil
  }

  /// Takes an ended connection off its server's counts.
  mutating func unbind(_ server: ServerNumber, _ servers: ServerTable, active: Bool) {
    if active { servers[stateOf: server].active &-= 1 } else { servers[stateOf: server].inactive &-= 1 }
    if servers[stateOf: server].isOverloaded { servers.updateOverload(server) }
    publish(server, servers)
  }

  /// A connection turned active or inactive.
  mutating func move(_ server: ServerNumber, _ servers: ServerTable, toActive: Bool) {
    if toActive {
      servers[stateOf: server].active &+= 1
      servers[stateOf: server].inactive &-= 1
    } else {
      servers[stateOf: server].active &-= 1
      servers[stateOf: server].inactive &+= 1
    }
    publish(server, servers)
  }

  /// Shows the scheduler a server's new counts.
  mutating func publish(_ server: ServerNumber, _ servers: ServerTable) {
    let position = Int(servers[stateOf: server].position)
    guard position >= 0, position < list.count else { return }
    list[position].active = servers[stateOf: server].active
    list[position].inactive = servers[stateOf: server].inactive
    list[position].isOverloaded = servers[stateOf: server].isOverloaded
    scheduler.loadChanged(at: position, list)
  }
}

extension ServiceTable.Entry {
  init(_ definition: VirtualService, number: ServiceNumber) {
    self.init(
      key: definition.key,
      match: ServiceTable.Match(
        number: number, isOnePacket: definition.onePacket, usesCallID: definition.persistenceEngine != nil))
  }
}
