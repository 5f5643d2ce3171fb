import IPVSMessages
import LVS

/// What a request is about, read as the kernel reads it: what must be there, in the kernel's order of complaints.
struct IPVSTarget {
  let key: ServiceKey
  /// The service with its servers; nil where there is none of that name.
  let present: ServiceDefinition?

  init(_ message: IPVSMessage, isFull: Bool, of core: ControlCore) async throws {
    guard let service = message.service, let family = service.family,
      service.fwmark != nil || service.port != nil && service.transport != nil && service.address != nil
    else { throw IPVSRefusal.invalid }
    guard IPAddress.Family(number: family) != nil else { throw IPVSRefusal.noSuchFamily }
    guard let key = service.key, key.isNamed else { throw isFull ? IPVSRefusal.invalid : .noSuchService }
    self.key = key
    present = try await core.definition(of: key)
    guard isFull else { return }
    guard service.scheduler != nil, service.flags.flatMap(ServiceFlags.init) != nil, service.timeout != nil,
      service.netmask != nil
    else { throw IPVSRefusal.invalid }
  }

  /// The service that is to be, where the message is full.
  func service(_ message: ServiceMessage) throws -> VirtualService {
    if key.family == .v6, let length = message.netmask, !(1...128).contains(length) { throw IPVSRefusal.invalid }
    let before = present.map { ServiceFlags($0.service).bits } ?? 0
    guard let service = message.service({ before & ~$0.mask | $0.bits & $0.mask }) else { throw IPVSRefusal.invalid }
    return service
  }

  /// The server that is to be, where the message is full. What the kernel's family cannot say stays as it is.
  func server(_ message: DestinationMessage?) throws -> RealServer {
    let endpoint = try endpoint(message, isFull: true)
    guard var server = message?.server(of: key.family) else { throw IPVSRefusal.invalid }
    if endpoint.address.family != key.family {
      guard case .tunnel = server.method else { throw IPVSRefusal.invalid }
    }
    if server.method == .route { server.mac = found(endpoint)?.mac }
    return server
  }

  /// The server that there is and is meant, by whatever port it was added with; else the one that is meant.
  func presentEndpoint(_ message: DestinationMessage?) throws -> Endpoint {
    let endpoint = try endpoint(message)
    return found(endpoint)?.endpoint ?? endpoint
  }

  /// Direct routing keeps the packet's port, so that a server has the service's, where it was added with another.
  private func found(_ endpoint: Endpoint) -> RealServer? {
    let placed = RealServer(endpoint).placed(in: key).endpoint
    let servers = present?.servers ?? []
    return servers.first { $0.endpoint == endpoint } ?? servers.first { $0.method == .route && $0.endpoint == placed }
  }

  /// The server that is meant.
  private func endpoint(_ message: DestinationMessage?, isFull: Bool = false) throws -> Endpoint {
    guard let message, message.address != nil, message.port != nil else { throw IPVSRefusal.invalid }
    if isFull {
      guard message.method != nil, message.weight != nil, message.upperThreshold != nil, message.lowerThreshold != nil
      else { throw IPVSRefusal.invalid }
    }
    if let family = message.family, family != 0, IPAddress.Family(number: family) == nil {
      throw IPVSRefusal.noSuchFamily
    }
    guard let endpoint = message.endpoint(of: key.family) else { throw IPVSRefusal.invalid }
    return endpoint
  }
}

extension ServiceKey {
  /// A mark of 0 is none.
  fileprivate var isNamed: Bool {
    if case .fwmark(0, _) = self { false } else { true }
  }
}
