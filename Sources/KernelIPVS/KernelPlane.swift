import LVS

/// The kernel's IPVS as a plane: each change is one message.
public actor KernelPlane: ForwardingPlane {
  private let exchange: (Request) throws(KernelError) -> [ArraySlice<UInt8>]
  /// The connection table, which netlink does not show.
  private let connectionFile: String

  /// - Throws: `KernelError.noIPVS` where the kernel has none.
  public init() throws(KernelError) {
    self.init(try IPVSSocket())
  }

  init(_ socket: sending IPVSSocket) {
    exchange = { request throws(KernelError) in try socket.exchange(request) }
    connectionFile = ProcConnection.file
  }

  /// A plane over something that answers bytes as a kernel does.
  init(
    connectionFile: String = ProcConnection.file,
    exchange: sending @escaping (Request) throws(KernelError) -> [ArraySlice<UInt8>]
  ) {
    (self.exchange, self.connectionFile) = (exchange, connectionFile)
  }

  // MARK: In the kernel's words

  /// Carries out one change.
  public func carryOut(_ change: Change) throws(KernelError) {
    _ = try exchange(Request(change))
  }

  /// Carries each change out by itself, in order.
  ///
  /// - Returns: of each why it was refused; nil where it is in force.
  public func carryOut(_ changes: [Change]) -> [KernelError?] {
    changes.map { change in
      do throws(KernelError) {
        try carryOut(change)
        return nil
      } catch { return error }
    }
  }

  public func services() throws(KernelError) -> [ServiceStatus] {
    var services: [ServiceStatus] = []
    for message in try exchange(.services) {
      services.append(
        try withServers(of: try read(.getService) { () throws(MalformedMessage) in try Reply.service(message) }))
    }
    return services
  }

  /// One service with its servers.
  public func service(_ key: ServiceKey) throws(KernelError) -> ServiceStatus {
    guard let message = try exchange(.service(key)).first else { throw .unreadable(.getService) }
    return try withServers(of: try read(.getService) { () throws(MalformedMessage) in try Reply.service(message) })
  }

  private func withServers(of service: ServiceStatus) throws(KernelError) -> ServiceStatus {
    var service = service
    let key = service.service.key
    for message in try exchange(.servers(of: key)) {
      let server = try read(.getDestination) { () throws(MalformedMessage) in
        try Reply.server(message, family: key.family)
      }
      service.servers.append(server)
    }
    return service
  }

  public func info() throws(KernelError) -> KernelInfo {
    try one(.info, Reply.info)
  }

  public func currentTimeouts() throws(KernelError) -> Timeouts {
    try one(.timeouts, Reply.timeouts)
  }

  public func change(_ timeouts: Timeouts) throws(KernelError) {
    _ = try exchange(.setTimeouts(timeouts))
  }

  public func flush() throws(KernelError) {
    _ = try exchange(.flush)
  }

  public func clearCounters(_ key: ServiceKey?) throws(KernelError) {
    _ = try exchange(.zero(key))
  }

  /// The synchronisation daemons that run: a master, a backup, both or none.
  public func daemons() throws(KernelError) -> [SyncDaemon] {
    var daemons: [SyncDaemon] = []
    for message in try exchange(.daemons) {
      daemons.append(try read(.getDaemon) { () throws(MalformedMessage) in try Reply.daemon(message) })
    }
    return daemons
  }

  public func start(_ daemon: SyncDaemon) throws(KernelError) {
    _ = try exchange(.startDaemon(daemon))
  }

  public func stop(_ daemon: SyncDaemon) throws(KernelError) {
    _ = try exchange(.stopDaemon(daemon))
  }

  private func one<Value>(
    _ request: Request, _ decode: (ArraySlice<UInt8>) throws(MalformedMessage) -> Value
  ) throws(KernelError) -> Value {
    guard let message = try exchange(request).first else { throw .unreadable(request.command) }
    return try read(request.command) { () throws(MalformedMessage) in try decode(message) }
  }

  private func read<Value>(
    _ command: Command, _ decode: () throws(MalformedMessage) -> Value
  ) throws(KernelError) -> Value {
    do throws(MalformedMessage) { return try decode() } catch { throw .unreadable(command) }
  }

  // MARK: In every plane's words

  public func apply(_ changes: [Change]) throws(PlaneError) {
    for change in changes { try change.checkForKernel() }
    for change in changes {
      do throws(KernelError) { try carryOut(change) } catch { throw PlaneError(error, about: change) }
    }
  }

  public func status() throws(PlaneError) -> [ServiceStatus] {
    try inPlaneWords { () throws(KernelError) in try services() }
  }

  public func timeouts() throws(PlaneError) -> Timeouts {
    try inPlaneWords { () throws(KernelError) in try currentTimeouts() }
  }

  public func setTimeouts(_ timeouts: Timeouts) throws(PlaneError) {
    try inPlaneWords { () throws(KernelError) in try change(timeouts) }
  }

  public func zero(_ service: ServiceKey?) throws(PlaneError) {
    do throws(KernelError) {
      try clearCounters(service)
    } catch {
      throw PlaneError(error, about: service.map { .removeService($0) })
    }
  }

  public func connections(
    _ filter: ConnectionFilter, _ body: @Sendable ([ConnectionStatus]) async -> Bool
  ) async throws(PlaneError) {
    var rows = try ProcConnections(connectionFile)
    while let slice = rows.next() {
      let matching = slice.map(\.status).filter(filter.matches)
      if !matching.isEmpty, await !body(matching) { return }
    }
  }

  private func inPlaneWords<Value>(_ work: () throws(KernelError) -> Value) throws(PlaneError) -> Value {
    do throws(KernelError) { return try work() } catch { throw PlaneError(error, about: nil) }
  }
}

extension Request {
  /// The one message of a change. A kernel asks nobody before it takes a VIP, so there is nothing to force.
  init(_ change: Change) {
    switch change {
    case .addService(let service, _): self = .addService(service)
    case .updateService(let service): self = .updateService(service)
    case .removeService(let key): self = .removeService(key)
    case .addServer(let server, let key): self = .addServer(server, to: key)
    case .updateServer(let server, let key): self = .updateServer(server, of: key)
    case .removeServer(let endpoint, let key): self = .removeServer(endpoint, from: key)
    }
  }
}

extension Change {
  /// What a kernel cannot do is refused before anything is done.
  func checkForKernel() throws(PlaneError) {
    switch self {
    case .addServer(let server, _), .updateServer(let server, _):
      guard server.mac == nil else {
        throw .notSupported("the kernel resolves \(server.endpoint.address) itself: leave its Ethernet address out")
      }
    default: break
    }
  }
}

extension ConnectionFilter {
  public func matches(_ row: ConnectionStatus) -> Bool {
    if let client, !client.contains(row.client.address) { return false }
    if let server, server != row.server.address { return false }
    if let state, state != row.state { return false }
    switch service {
    case nil: return true
    case .endpoint(let transport, let endpoint): return transport.name == row.transport && endpoint == row.virtual
    case .fwmark(let mark, let family):
      // Only a mark's templates say so: their protocol is none, and the mark stands where the VIP does.
      return row.transport == "ip" && row.virtual.address == IPAddress(v4: mark) && family == .v4
    }
  }
}
