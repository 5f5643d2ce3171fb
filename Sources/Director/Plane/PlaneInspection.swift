import LVS

/// What the plane tells of its services.
extension UserspacePlane {
  public func status() async throws(PlaneError) -> [ServiceStatus] {
    await workers.settle()
    return services.withLock { $0.status() }
  }

  public func status(of key: ServiceKey) async throws(PlaneError) -> ServiceStatus? {
    await workers.settle()
    return services.withLock { $0.status(of: key) }
  }

  public func total() async throws(PlaneError) -> Traffic {
    await workers.settle()
    return services.withLock { $0.total }
  }

  public func zero(_ service: ServiceKey?) async throws(PlaneError) {
    await workers.settle()
    try services.withLock { services throws(PlaneError) in try services.zero(service) }
  }

  /// Returns when each thread has come round: they all work.
  public func turn() async {
    await vips.worker.inspect { _, _ in }
    await workers.turn()
  }

  public func timeouts() async throws(PlaneError) -> Timeouts { services.withLock { $0.settings.timeouts.asSet } }

  public func settings() async throws(PlaneError) -> [String: String] { services.withLock { $0.settings.listing } }

  public func connections(
    _ filter: ConnectionFilter, _ body: @Sendable ([ConnectionStatus]) async -> Bool
  ) async throws(PlaneError) {
    await workers.connections(filter, body)
  }
}
