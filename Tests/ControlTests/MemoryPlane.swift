import LVS

/// A plane that forwards nothing: it keeps what it is told as a plane must, newest server first.
actor MemoryPlane: ForwardingPlane {
  static let capabilities = Capabilities(
    .userspace, methods: [.route, .masquerade], features: [.marks, .macs],
    settings: [
      SettingRule("expire_nodest_conn", .range(0...1), standard: "0"), .failedNeighbor,
      SettingRule("sync_period", .range(0...1_000), standard: "50"),
      SettingRule("sync_threshold", .range(0...1_000), standard: "3"),
    ])

  nonisolated var capabilities: Capabilities { Self.capabilities }

  private var state = DesiredState(capabilities)
  private let rowCount: Int
  /// What the outside world says to a claim; nil where it has nothing against it.
  private var objection: (@Sendable (Claim) -> PlaneError?)?
  /// Why the next state cannot be adopted.
  private var failure: (@Sendable (DesiredState) -> PlaneError?)?
  private var held: Probe?
  /// Servers that have a connection.
  private var busy: Set<Endpoint> = []
  /// How often it was told of another state.
  private(set) var adoptions = 0
  /// What the steps that it was told lead to, in the order in which they do.
  private(set) var stepped = DesiredState(capabilities)

  /// - Parameter rows: how many connections there are to list.
  init(rows: Int = 0) {
    rowCount = rows
  }

  func object(_ objection: @escaping @Sendable (Claim) -> PlaneError?) { self.objection = objection }
  func fail(_ failure: PlaneError?) { self.failure = { _ in failure } }
  func fail(only isMeant: @escaping @Sendable (DesiredState) -> Bool, _ failure: PlaneError) {
    self.failure = { isMeant($0) ? failure : nil }
  }

  func connect(_ servers: Set<Endpoint>) { busy = servers }

  /// A look at the outside world that lasts until its end is told.
  struct Probe: Sendable {
    fileprivate let beginning = AsyncStream<Void>.makeStream()
    fileprivate let ending = AsyncStream<Void>.makeStream()

    var begun: Void { get async { for await _ in beginning.stream {} } }
    func end() { ending.continuation.finish() }
  }

  /// Has the next request wait while it is admitted.
  func hold() -> Probe {
    let probe = Probe()
    held = probe
    return probe
  }

  func admit(_ claims: [Claim]) async -> Admission {
    if let probe = held {
      held = nil
      probe.beginning.continuation.finish()
      for await _ in probe.ending.stream {}
    }
    var admission = Admission()
    for claim in claims { admission.refusals[claim.subject] = objection?(claim) }
    return admission
  }

  func adopt(_ transition: Transition) throws(PlaneError) {
    if let failure = failure?(transition.next) { throw failure }
    // Where a second core begins with the plane anew, its steps lead from nothing.
    for step in transition.steps { try? stepped.apply(Self.effective(step)) }
    state = transition.next
    adoptions += 1
  }

  /// The step with weights as schedulers go by them, of servers that are nobody's in particular.
  private static func effective(_ step: Change) -> Change {
    func effective(_ server: RealServer) -> RealServer {
      RealServer(
        server.endpoint, method: server.method, weight: Weight(server.weight.effective),
        upperThreshold: server.upperThreshold, lowerThreshold: server.lowerThreshold, mac: server.mac)
    }
    return switch step {
    case .addServer(let server, let key): .addServer(effective(server), to: key)
    case .updateServer(let server, let key): .updateServer(effective(server), of: key)
    default: step
    }
  }

  /// A plane knows no layers of a weight.
  func status() -> [ServiceStatus] {
    state.services.map { definition in
      ServiceStatus(
        service: definition.service,
        servers: definition.effective.servers.reversed().map {
          ServerStatus(server: $0, activeConnections: busy.contains($0.endpoint) ? 1 : 0)
        })
    }
  }

  func connections(_ filter: ConnectionFilter, _ body: @Sendable ([ConnectionStatus]) async -> Bool) async {
    for start in stride(from: 0, to: rowCount, by: 1000) {
      let slice = (start..<min(start + 1000, rowCount)).map(Self.row).filter { row in
        filter.client.map { $0.contains(row.client.address) } ?? true && filter.state.map { $0 == row.state } ?? true
      }
      if !slice.isEmpty, await !body(slice) { return }
    }
  }

  static func row(_ number: Int) -> ConnectionStatus {
    ConnectionStatus(
      transport: "tcp", client: Endpoint(IPAddress(v4: 0x0a00_0000 + UInt32(number)), 40000),
      virtual: Endpoint(IPAddress(v4: 0xc000_0264), 80), server: Endpoint(IPAddress(v4: 0xc000_020b), 80),
      state: number % 2 == 0 ? "ESTABLISHED" : "FIN_WAIT", expires: UInt32(number % 900), isTemplate: false)
  }

  func total() -> Traffic { Traffic(statistics: Statistics(connections: 1, packets: 2, bytes: 3)) }

  func timeouts() -> Timeouts { state.timeouts }

  func settings() -> [String: String] {
    Dictionary(uniqueKeysWithValues: capabilities.settings.map { ($0.name, state.setting($0)) })
  }

  func zero(_ service: ServiceKey?) throws(PlaneError) {
    if let service, state.service(service) == nil { throw .noSuchService(service) }
  }

  func stop() {}

  nonisolated var facilities: Facilities {
    var facilities = Facilities()
    facilities.vips = { await self.vips() }
    facilities.takeover = self
    facilities.neighbors = { await self.neighbors() }
    facilities.workers = { await self.workers() }
    facilities.tables = { await self.tables() }
    facilities.verdicts = { await self.verdicts() }
    facilities.doctor = self
    facilities.capture = { filter throws(PlaneError) in try await self.capture(filter: filter) }
    return facilities
  }

  func neighbors() -> [NeighborStatus] {
    [
      NeighborStatus(
        address: IPAddress(v4: 0xc000_020b), mac: MACAddress(0x0200_0000_000b), state: .reachable, confirmed: 3)
    ]
  }

  func vips() -> [VIPStatus] { [VIPStatus(address: IPAddress(v4: 0xc000_0264), state: .owned)] }

  /// Those given up.
  private(set) var released: Set<IPAddress> = []

  func takeOver(_ vips: [IPAddress]) { released.subtract(vips) }
  func release(_ vips: [IPAddress]) { released.formUnion(vips) }

  func findings() -> [Finding] {
    [Finding(.vipAnswered, vip: "192.0.2.100", subject: "192.0.2.11", seen: "seen", why: "why", fix: "fix")]
  }

  func examine() -> [Finding] { findings() }

  func workers() -> [WorkerStatus] { [WorkerStatus(id: 0, frames: 7)] }

  func tables() -> [TableStatus] {
    [TableStatus(.connections, entries: 3, capacity: 4, evicted: ["half_open": 2, "closing": 1], refused: 5)]
  }

  func verdicts() -> VerdictCounts {
    VerdictCounts(
      forwarded: 5, dropped: Dictionary(uniqueKeysWithValues: DropReason.allCases.map { ($0.name, UInt64(0)) }))
  }

  func capture(filter: String?) throws(PlaneError) -> AsyncStream<[UInt8]> {
    if let filter, filter.contains("nonsense") { throw .invalid("'\(filter)' is not a capture filter") }
    let (stream, source) = AsyncStream<[UInt8]>.makeStream()
    source.yield([0xd4, 0xc3, 0xb2, 0xa1])
    captures += 1
    source.onTermination = { _ in Task { await self.endCapture() } }
    return stream
  }

  /// How many captures run.
  private(set) var captures = 0

  private func endCapture() { captures -= 1 }
}

extension MemoryPlane: VIPTakeover, Doctor {}
