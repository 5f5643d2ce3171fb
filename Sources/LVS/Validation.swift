/// What must hold of a setting whatever the plane, checked before anything is changed. The limits are ipvsadm's.
extension VirtualService {
  public func validate() throws(PlaneError) {
    guard SchedulerName.all.contains(scheduler) || scheduler == .none else {
      throw .unknownScheduler(scheduler.rawValue)
    }
    guard flags.isSubset(of: [.fallback, .port, .third]) else {
      throw .invalid("scheduler flags 0x\(String(flags.rawValue, radix: 16)) are not among flag-1, flag-2, flag-3")
    }
    try validateKey()
    try validatePersistence()
    if onePacket, case .endpoint(let transport, _) = key, transport != .udp {
      throw .invalid("one-packet scheduling (-o) is for UDP, and \(key) is not")
    }
  }

  private func validateKey() throws(PlaneError) {
    guard case .endpoint(_, let virtual) = key else { return }
    guard virtual.address.isUnicast else { throw .notUnicast("the VIP", virtual.address) }
    guard virtual.port != 0 || persistence != nil else {
      throw .invalid("port 0 (every port of \(virtual.address)) needs persistence: give a port, or add -p")
    }
  }

  private func validatePersistence() throws(PlaneError) {
    if let engine = persistenceEngine {
      guard engine == "sip" else { throw .unknownEngine(engine) }
      guard persistence != nil else { throw .invalid("a persistence engine (--pe) needs persistence: add -p") }
    }
    guard let persistence else { return }
    guard Persistence.timeouts.contains(persistence.timeout) else {
      throw .outOfRange("persistence of \(persistence.timeout) s is not in 1 to \(Persistence.timeouts.upperBound) s")
    }
    switch (persistence.netmask, key.family) {
    case (.v4(let mask), .v4):
      guard mask != 0 else { throw .outOfRange("netmask 0.0.0.0 tells no client from another") }
    case (.v6(let length), .v6):
      guard (1...128).contains(length) else { throw .outOfRange("prefix length \(length) is not in 1 to 128") }
    case (let mask, .v4): throw .invalid("netmask \(mask) is not IPv4's, as \(key) needs: such as 255.255.255.0")
    case (let mask, .v6): throw .invalid("netmask \(mask) is not IPv6's, as \(key) needs: a prefix length such as 64")
    }
  }
}

extension RealServer {
  /// What ipvsadm accepts.
  public static let thresholds: ClosedRange<UInt32> = 0...0x7fff_ffff

  public func validate(in service: ServiceKey) throws(PlaneError) {
    guard endpoint.address.isUnicast else {
      throw .notUnicast("the real server's address", endpoint.address)
    }
    guard Weight.range.contains(weight.asked) else {
      throw .outOfRange("weight \(weight.asked) is not in \(Weight.range.lowerBound) to \(Weight.range.upperBound)")
    }
    try validateThresholds()
    try validateMethod(in: service)
  }

  private func validateThresholds() throws(PlaneError) {
    for threshold in [upperThreshold, lowerThreshold] where !Self.thresholds.contains(threshold) {
      throw .outOfRange("threshold \(threshold) is not in 0 to \(Self.thresholds.upperBound)")
    }
    guard lowerThreshold <= upperThreshold else {
      throw .outOfRange("the lower threshold \(lowerThreshold) is above the upper threshold \(upperThreshold)")
    }
  }

  private func validateMethod(in service: ServiceKey) throws(PlaneError) {
    switch method {
    case .local, .bypass: throw .invalid("the method \(method) cannot be asked for: use route, tunnel or masquerade")
    case .tunnel(let tunnel):
      guard tunnel.kind != .gue || tunnel.port != 0 else { throw .invalid("a GUE tunnel needs a port (--tun-port)") }
    case .route, .masquerade:
      guard endpoint.address.family == service.family else {
        throw .invalid("the real server \(endpoint.address) is not of the same address family as \(service)")
      }
    }
    guard let mac else { return }
    guard mac.isStation else { throw .invalid("\(mac) is not the address of a station") }
    guard method == .route else { throw .invalid("an Ethernet address (--mac) is for direct routing (-g)") }
  }
}

extension ServiceDefinition {
  /// What a fault is of: servers go by their place in the list.
  public enum Part: Hashable, Sendable {
    case service
    case server(Int)
    /// A check of one server, or of all where none is named.
    case check(HealthCheck.Kind.Name, of: Int?)
    case discovery
    /// How the parts go together.
    case whole
  }

  public func validate() throws(PlaneError) {
    try validate { (_, holds) throws(PlaneError) in try holds() }
  }

  /// - Parameter each: called for each part with what must hold of it; it may say where the part stands.
  public func validate<Failure>(
    _ each: (Part, () throws(PlaneError) -> Void) throws(Failure) -> Void
  ) throws(Failure) {
    let key = service.key
    try each(.service) { () throws(PlaneError) in try service.validate() }
    for (place, server) in servers.enumerated() {
      try each(.server(place)) { () throws(PlaneError) in try server.validate(in: key) }
      for check in checks[server.endpoint] {
        try each(.check(check.kind.name, of: place)) { () throws(PlaneError) in try check.validate(in: key, of: server)
        }
      }
    }
    for check in checks.common {
      try each(.check(check.kind.name, of: nil)) { () throws(PlaneError) in try check.validate(in: key) }
    }
    if let discovery { try each(.discovery) { () throws(PlaneError) in try discovery.validate(in: key) } }
    try each(.whole, validateWhole)
  }

  private func validateWhole() throws(PlaneError) {
    var seen: Set<Endpoint> = []
    for server in servers where !seen.insert(server.endpoint).inserted {
      throw .serverExists(server.endpoint, service.key)
    }
    try farm.validate(in: service.key)
  }
}
