/// What is known of the health of a service's servers.
public struct ServiceHealth: Hashable, Sendable, Codable {
  public var service: ServiceKey
  public var state: FarmState
  /// In the order they were added.
  public var servers: [WatchedServerStatus]

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case service, state, servers
  }

  /// - Parameter statuses: of its servers, in any order.
  public init(_ definition: ServiceDefinition, _ state: FarmState, _ statuses: [Endpoint: [TargetStatus]]) {
    service = definition.service.key
    self.state = state
    servers = definition.servers.map { WatchedServerStatus($0, (statuses[$0.endpoint] ?? []).map(CheckStatus.init)) }
  }
}

/// What is known of a real server, and what has become of its weight.
public struct WatchedServerStatus: Hashable, Sendable, Codable {
  public var address: Endpoint
  /// The worst that a check says; `unknown` where there is none.
  public var state: Health
  /// What the operator asked for.
  public var weight: Int32
  /// What schedulers go by.
  public var effectiveWeight: Int32
  public var weightHeldBy: [Weight.Hold]
  public var checks: [CheckStatus]

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case address, state
    case weight = "configured_weight"
    case effectiveWeight = "weight"
    case weightHeldBy = "weight_held_by"
    case checks
  }

  init(_ server: RealServer, _ checks: [CheckStatus]) {
    (address, self.checks) = (server.endpoint, checks)
    (weight, effectiveWeight) = (server.weight.asked, server.weight.effective)
    weightHeldBy = server.weight.holds
    let states = Set(checks.map(\.state))
    state = states.contains(.down) ? .down : states.isEmpty || states.contains(.unknown) ? .unknown : .up
  }

  /// The check that makes the state what it is; nil where there is none.
  public var decisive: CheckStatus? { checks.first { $0.state == state } }
}

/// What is known of a server by one check.
public struct CheckStatus: Hashable, Sendable, Codable {
  public var type: HealthCheck.Kind.Name
  public var via: HealthCheck.Via
  public var state: Health
  /// For how many seconds it has been so.
  public var since: UInt64
  /// Whether it answers well, and is held down since it went down too often.
  public var isDamped: Bool
  /// What the last attempt came to; nil before the first has ended.
  public var result: String?
  /// How many seconds the last attempt took.
  public var latency: Double?
  public var counts: AttemptCounts

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case type, via, state, since
    case isDamped = "is_damped"
    case result
    case latency = "latency_seconds"
    case counts
  }

  init(_ status: TargetStatus) {
    (type, via, state) = (status.name.type, status.target.via, status.health)
    (since, isDamped, counts) = (status.age / 1000, status.isDamped, status.counts)
    (result, latency) = (status.last?.outcome.words, status.last.map { Double($0.latency) / 1_000_000 })
  }
}

/// A check as it was asked for: of a server, or of all servers of a service that have none of their own.
public struct NamedCheck: Hashable, Sendable, Codable {
  public var service: ServiceKey
  public var server: Endpoint?
  public var check: HealthCheck

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case service, server, check
  }

  public init(_ check: HealthCheck, of service: ServiceKey, server: Endpoint?) {
    (self.service, self.server, self.check) = (service, server, check)
  }
}

extension ServiceDefinition {
  /// Its checks, those of all its servers first.
  public var namedChecks: [NamedCheck] {
    let key = service.key
    return checks.common.map { NamedCheck($0, of: key, server: nil) }
      + servers.flatMap { server in
        checks[server.endpoint].map { NamedCheck($0, of: key, server: server.endpoint) }
      }
  }
}

/// Whether clients are served, and by what they are not: what an announcement of a VIP may go by.
public struct Serving: Hashable, Sendable, Codable {
  /// Why clients are not served, one line each; none where they are.
  public var troubles: [String]

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case troubles
  }

  public init(_ troubles: [String]) { self.troubles = troubles }
}
