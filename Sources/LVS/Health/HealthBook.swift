/// What is known of the health of all servers that are watched, as the control core goes by it.
///
/// It outlives the watching: a server whose check is changed is what it was until the new check says otherwise.
public struct HealthBook: Sendable {
  /// By service and server, what each check says.
  private var pages: [ServiceKey: [Endpoint: Page]] = [:]

  private struct Page {
    var byCheck: [HealthCheck.Kind.Name: (health: Health, consequence: HealthCheck.Consequence)] = [:]
    var risen: Moment?

    /// The worst that a check says; while it is down, what the sternest of those asks for that say so.
    var verdict: ServerHealth {
      let all = byCheck.values
      let health: Health =
        all.contains { $0.health == .down } ? .down : all.contains { $0.health == .unknown } ? .unknown : .up
      let isOut = all.contains { $0.health == .down && $0.consequence == .remove }
      return ServerHealth(health, isOut ? .remove : .quiesce, risen: risen)
    }
  }

  public init() {}

  /// What is known of a service's servers.
  public func health(of key: ServiceKey) -> [Endpoint: ServerHealth] { pages[key]?.mapValues(\.verdict) ?? [:] }

  /// Takes over what a check says.
  ///
  /// - Returns: what the server is now, where that is otherwise than before; nil of a server that is not watched.
  public mutating func take(_ status: TargetStatus, at now: Moment) -> Health? {
    let name = status.name
    guard var page = pages[name.service]?[name.server], page.byCheck[name.type] != nil else { return nil }
    let before = page.verdict.health
    page.byCheck[name.type] = (status.health, status.target.check.onFailure)
    let after = page.verdict.health
    if before == .down, after != .down { page.risen = now }
    pages[name.service]?[name.server] = page
    return after == before ? nil : after
  }

  /// Knows of these and no others.
  public mutating func watch(_ targets: [CheckTarget]) {
    var next: [ServiceKey: [Endpoint: Page]] = [:]
    for target in targets {
      let name = target.name
      let old = pages[name.service]?[name.server]
      var page = next[name.service]?[name.server] ?? Page(risen: old?.risen)
      page.byCheck[name.type] = (old?.byCheck[name.type]?.health ?? .unknown, target.check.onFailure)
      next[name.service, default: [:]][name.server] = page
    }
    pages = next
  }
}
