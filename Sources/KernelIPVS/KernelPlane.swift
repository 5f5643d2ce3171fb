import LVS

/// The kernel's IPVS as a plane: each change is one message.
public actor KernelPlane: ForwardingPlane {
  private let table: IPVSTable
  /// The connection table, which netlink does not show.
  private let connectionFile: String

  /// - Throws: `KernelError.noIPVS` where the kernel has none.
  public init() throws(KernelError) {
    self.init(try IPVSTable())
  }

  init(_ table: sending IPVSTable, connectionFile: String = ProcConnection.file) {
    (self.table, self.connectionFile) = (table, connectionFile)
  }

  /// One service with its servers.
  public func service(_ key: ServiceKey) throws(PlaneError) -> ServiceStatus {
    do throws(KernelError) {
      return try table.service(key)
    } catch {
      throw PlaneError(error, about: .removeService(key))
    }
  }

  public func apply(_ changes: [Change]) throws(PlaneError) {
    for change in changes { try change.checkForKernel() }
    for change in changes {
      do throws(KernelError) { try table.carryOut(change) } catch { throw PlaneError(error, about: change) }
    }
  }

  public func status() throws(PlaneError) -> [ServiceStatus] {
    try inPlaneWords { () throws(KernelError) in try table.services() }
  }

  public func total() throws(PlaneError) -> Traffic { try ProcTotal.read().traffic }

  public func timeouts() throws(PlaneError) -> Timeouts {
    try inPlaneWords { () throws(KernelError) in try table.timeouts() }
  }

  public func setTimeouts(_ timeouts: Timeouts) throws(PlaneError) {
    try inPlaneWords { () throws(KernelError) in try table.set(timeouts) }
  }

  public func zero(_ service: ServiceKey?) throws(PlaneError) {
    do throws(KernelError) {
      try table.zero(service)
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
