/// How real servers are watched: what is asked of them, how often, and what follows where the answer is not as it should.
///
/// Where a server has several, it is up while none of them is down.
public struct HealthCheck: Hashable, Sendable {
  /// Where the packets of a check go.
  public enum Via: String, Hashable, Sendable, Codable, CaseIterable {
    /// To the VIP at the server's own station, as clients' packets do: what is tested is the VIP on its `lo`, the
    /// listener there, its packet filter and the path. For direct routing.
    case vip
    /// To the server's own address.
    case rip
  }

  /// What becomes of a server that is down.
  public enum Consequence: String, Hashable, Sendable, Codable, CaseIterable {
    /// Its weight is 0: no new connections, those it has go on.
    case quiesce
    /// It is taken out of the service; its connections end as `expire_nodest_conn` says.
    case remove
  }

  public var kind: Kind
  /// The port that is asked; nil is the service's. ICMP and commands have none.
  public var port: UInt16?
  /// nil is `vip` where the server is reached by direct routing and the service has a VIP, else `rip`.
  public var via: Via?
  /// From the start of one attempt to that of the next, at most.
  public var interval: Period
  /// The same while it is not certain whether the server is up; nil is the interval.
  public var fastInterval: Period?
  /// How long one attempt may take, from its first packet to the last byte that is needed.
  public var timeout: Period
  /// By how much of it, in percent, an interval is shortened at random, so that attempts do not fall together.
  public var jitter: UInt8
  /// How many attempts in a row must succeed until a server that is down is up again.
  public var rise: UInt16
  /// How many attempts in a row must fail until a server is down.
  public var fall: UInt16
  /// A server that went down so often within a short while stays down until it has calmed; 0 is never.
  public var flapLimit: UInt16
  public var onFailure: Consequence

  public init(
    _ kind: Kind, port: UInt16? = nil, via: Via? = nil, interval: Period = .milliseconds(500),
    fastInterval: Period? = nil, timeout: Period = .seconds(1), jitter: UInt8 = 10, rise: UInt16 = 2,
    fall: UInt16 = 2, flapLimit: UInt16 = 5, onFailure: Consequence = .quiesce
  ) {
    self.kind = kind
    self.port = port
    self.via = via
    self.interval = interval
    self.fastInterval = fastInterval
    self.timeout = timeout
    self.jitter = jitter
    self.rise = rise
    self.fall = fall
    self.flapLimit = flapLimit
    self.onFailure = onFailure
  }

  /// Where the packets go to a server that is reached so, of a plane that can do this.
  public func via(_ method: ForwardingMethod, in service: ServiceKey, _ capabilities: Capabilities) -> Via {
    if kind.name == .exec { return .rip }
    let canAskByVIP = method == .route && service.address != nil && capabilities.features.contains(.vipChecks)
    return via ?? (canAskByVIP ? .vip : .rip)
  }

  /// The port that is asked of a server; nil where the check has none.
  public func port(of server: Endpoint) -> UInt16? {
    switch kind {
    case .icmp, .exec: nil
    case .tcp, .http, .https, .udp, .dns: port ?? server.port
    }
  }
}
