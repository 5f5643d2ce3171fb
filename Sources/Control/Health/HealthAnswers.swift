import LVS

/// What the control core tells of health.
extension ControlCore {
  nonisolated func answerHealth(_ table: inout some OperationTable) {
    table.answer(API.checks) { _ in try await self.checks() }
    table.answer(API.health) { try await self.health($0.service) }
    table.answer(API.serving) { try await self.serving($0.vip) }
  }

  private func checks() async throws(PlaneError) -> [NamedCheck] {
    try capabilities.require(.checks)
    return try await present().services.flatMap(\.namedChecks)
  }

  /// Of all services that have a check, or of the one asked for.
  func health(_ key: ServiceKey? = nil) async throws(PlaneError) -> [ServiceHealth] {
    let statuses = try await part(\.health, .checks).status()
    let state = try await present()
    if let key, state.service(key) == nil { throw .noSuchService(key) }
    var known: [ServiceKey: [Endpoint: [TargetStatus]]] = [:]
    for status in statuses { known[status.name.service, default: [:]][status.name.server, default: []].append(status) }
    return state.services.compactMap { definition in
      let name = definition.service.key
      guard key.map({ $0 == name }) ?? !definition.checks.isEmpty else { return nil }
      return ServiceHealth(definition, state.farm(name).state, known[name] ?? [:])
    }
  }

  /// Whether clients of a VIP, or of all services, are served: each VIP is owned, and each service has somebody to send
  /// them to.
  private func serving(_ vip: IPAddress?) async throws(PlaneError) -> Serving {
    let state = try await present()
    let services = state.services.filter { definition in
      vip.map { definition.service.key.addresses(by: state.marks).contains($0) } ?? true
    }
    guard !services.isEmpty else {
      return Serving([vip.map { "no service has the VIP \($0)" } ?? "there is no service"])
    }
    let vips = await facilities.vips?() ?? []
    let foreign = vips.filter { status in status.state != .owned && vip.map { $0 == status.address } ?? true }
    let empty = services.map(\.service.key).filter { key in
      state.forced(key)?.servers.contains { $0.weight.effective > 0 } != true
    }
    return Serving(
      foreign.map { "the VIP \($0.address) is not ours: it is \($0.state.rawValue)" }
        + empty.map { "service \($0) has no server to send clients to" })
  }
}
