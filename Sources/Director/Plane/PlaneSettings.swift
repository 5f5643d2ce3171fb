import LVS
import Synchronization

/// What can be asked of the plane and set while it runs, beside its services.
extension UserspacePlane {
  public func status() async throws(PlaneError) -> [ServiceStatus] {
    await settle()
    return services.withLock { $0.status() }
  }

  public func total() async throws(PlaneError) -> Traffic {
    await settle()
    return services.withLock { $0.total }
  }

  public func zero(_ service: ServiceKey?) async throws(PlaneError) {
    await settle()
    try services.withLock { services throws(PlaneError) in try services.zero(service) }
  }

  public func timeouts() async throws(PlaneError) -> Timeouts {
    services.withLock { $0.settings.timeouts.asSet }
  }

  public func setTimeouts(_ timeouts: Timeouts) async throws(PlaneError) {
    let most = UInt32(Int32.max) / ticksPerSecond
    guard [timeouts.tcp, timeouts.tcpFin, timeouts.udp].allSatisfy({ $0 <= most }) else {
      throw .outOfRange("a timeout is at most \(most) seconds")
    }
    try await putInForce { services in services.settings.timeouts.asSet = timeouts }
  }

  /// The named settings, as the kernel's `net.ipv4.vs` sysctls are named.
  public func settings() async -> [String: String] {
    services.withLock { $0.settings.listing }
  }

  public func set(_ key: String, to value: String) async throws(PlaneError) {
    try await putInForce { services throws(PlaneError) in
      try services.set(key, to: value)
      _ = services.settings.defend(freePages: Memory.freePages)
    }
  }

  /// The rules that mark packets, in order.
  public func marks() async -> [MarkRule] { services.withLock { $0.rules } }

  /// Replaces the rules that mark packets. The addresses of marks that have a service become VIPs.
  public func setMarks(_ rules: [MarkRule]) async throws(PlaneError) {
    for rule in rules { try rule.validate() }
    try await putInForce(claiming: rules) { services in services.rules = rules }
  }

  /// Which VIPs the rules would make, and why they cannot be had.
  private func outcomes(of rules: [MarkRule]) async -> [IPAddress: PlaneError?] {
    let marks = services.withLock { $0.order }.filter { $0.address == nil }
    let vips = marks.flatMap { $0.addresses(by: rules) }.map { ($0, false) }
    return await probe(Dictionary(vips, uniquingKeysWith: { first, _ in first }), waits: false)
  }

  /// Changes the services and has all workers take the change over, one caller at a time.
  ///
  /// - Parameter rules: whose VIPs must be had before.
  private func putInForce(
    claiming rules: [MarkRule] = [], _ change: (Services) throws(PlaneError) -> Void
  ) async throws(PlaneError) {
    await gate.enter()
    let outcomes = await outcomes(of: rules)
    var failure = outcomes.values.lazy.compactMap(\.self).first
    if failure == nil {
      do throws(PlaneError) {
        try services.withLock { services throws(PlaneError) in try change(services) }
        try await commit()
      } catch { failure = error }
    }
    leaveProbed(outcomes)
    await gate.leave()
    if let failure { throw failure }
  }
}
