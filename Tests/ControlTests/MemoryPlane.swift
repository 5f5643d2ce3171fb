import LVS

/// A plane that forwards nothing: it keeps services as a plane must, newest server first.
actor MemoryPlane: ForwardingPlane, DirectorInspection {
  private var services: [ServiceStatus] = []
  private var current = Timeouts(tcp: 900, tcpFin: 120, udp: 300)
  private var sysctls = ["expire_nodest_conn": "0"]
  private let rowCount: Int

  /// - Parameter rows: how many connections there are to list.
  init(rows: Int = 0) {
    rowCount = rows
  }

  func apply(_ changes: [Change]) throws(PlaneError) {
    for change in changes { try apply(change) }
  }

  private func apply(_ change: Change) throws(PlaneError) {
    let place = services.firstIndex { $0.service.key == change.service }
    if case .addService(let service, _) = change {
      guard place == nil else { throw .serviceExists(service.key) }
      services.append(ServiceStatus(service: service))
      return
    }
    guard let place else { throw .noSuchService(change.service) }
    switch change {
    case .addService: break
    case .updateService(let service): services[place].service = service
    case .removeService: services.remove(at: place)
    case .addServer(let server, let key):
      if case .tunnel = server.method { throw .notSupported("-i is not done here: use -g") }
      guard index(of: server.endpoint, in: place) == nil else { throw .serverExists(server.endpoint, key) }
      services[place].servers.insert(ServerStatus(server: forwarded(server)), at: 0)
    case .updateServer(let server, let key):
      guard let index = index(of: server.endpoint, in: place) else { throw .noSuchServer(server.endpoint, key) }
      services[place].servers[index].server = forwarded(server)
    case .removeServer(let endpoint, let key):
      guard let index = index(of: endpoint, in: place) else { throw .noSuchServer(endpoint, key) }
      services[place].servers.remove(at: index)
    }
  }

  private func index(of endpoint: Endpoint, in place: Int) -> Int? {
    services[place].servers.firstIndex { $0.server.endpoint == endpoint }
  }

  /// A plane need not keep what it does not forward by.
  private func forwarded(_ server: RealServer) -> RealServer {
    var server = server
    server.drainedWeight = nil
    return server
  }

  func status() -> [ServiceStatus] { services }

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

  func timeouts() -> Timeouts { current }

  func setTimeouts(_ timeouts: Timeouts) {
    if timeouts.tcp != 0 { current.tcp = timeouts.tcp }
    if timeouts.tcpFin != 0 { current.tcpFin = timeouts.tcpFin }
    if timeouts.udp != 0 { current.udp = timeouts.udp }
  }

  func zero(_ service: ServiceKey?) throws(PlaneError) {
    guard let service else { return }
    guard services.contains(where: { $0.service.key == service }) else { throw .noSuchService(service) }
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

  func verdicts() -> VerdictCounts {
    VerdictCounts(
      forwarded: 5, dropped: Dictionary(uniqueKeysWithValues: DropReason.allCases.map { ($0.name, UInt64(0)) }))
  }

  private var rules: [MarkRule] = []

  func marks() -> [MarkRule] { rules }

  func setMarks(_ rules: [MarkRule]) { self.rules = rules }

  func settings() -> [String: String] { sysctls }

  func set(_ key: String, to value: String) throws(PlaneError) {
    guard sysctls[key] != nil else { throw .invalid("no setting '\(key)'") }
    sysctls[key] = value
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
