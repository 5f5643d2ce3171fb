import IPVSMessages
import LVS

/// The kernel's table of virtual services in the kernel's own words: each call is one request, and errors are its own.
public final class IPVSTable {
  private let exchange: (Request) throws(KernelError) -> [ArraySlice<UInt8>]

  /// - Throws: `KernelError.noIPVS` where the kernel has none.
  public convenience init() throws(KernelError) {
    self.init(try IPVSSocket())
  }

  convenience init(_ socket: IPVSSocket) {
    self.init { request throws(KernelError) in try socket.exchange(request) }
  }

  /// Over something that answers bytes as a kernel does.
  init(exchange: @escaping (Request) throws(KernelError) -> [ArraySlice<UInt8>]) {
    self.exchange = exchange
  }

  /// Carries out one change of a service or of a server.
  public func carryOut(_ change: Change) throws(KernelError) {
    if let request = Request(change) { _ = try exchange(request) }
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
    let messages = try exchange(.servers(of: key))
    service.servers.reserveCapacity(messages.count)
    for message in messages {
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

  public func timeouts() throws(KernelError) -> Timeouts {
    try one(.timeouts, Reply.timeouts)
  }

  public func set(_ timeouts: Timeouts) throws(KernelError) {
    _ = try exchange(.setTimeouts(timeouts))
  }

  public func flush() throws(KernelError) {
    _ = try exchange(.flush)
  }

  public func zero(_ key: ServiceKey?) throws(KernelError) {
    _ = try exchange(.zero(key))
  }

  /// The synchronization daemons that run: a master, a backup, both or none.
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
}

extension Request {
  /// The one message of a change of a service or of a server; nil for any other. A kernel asks nobody before it takes a
  /// VIP, so there is nothing to force.
  init?(_ change: Change) {
    switch change {
    case .addService(let service, _): self = .addService(service)
    case .updateService(let service): self = .updateService(service)
    case .removeService(let key): self = .removeService(key)
    case .addServer(let server, let key): self = .addServer(server, to: key)
    case .updateServer(let server, let key): self = .updateServer(server, of: key)
    case .removeServer(let endpoint, let key): self = .removeServer(endpoint, from: key)
    case .drainServer, .undrainServer, .addCheck, .removeCheck, .setFarm, .addDiscovery, .removeDiscovery: return nil
    case .setMarks, .set, .setTimeouts: return nil
    }
  }
}
