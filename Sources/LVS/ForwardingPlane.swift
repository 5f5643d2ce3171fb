/// Something that forwards for virtual services: this program's own data plane, or the kernel's IPVS.
///
/// It applies what it is told and decides nothing: the desired state has one owner, which checks a change, has the plane
/// admit it and then adopt it, one request at a time.
public protocol ForwardingPlane: Sendable {
  /// What can be asked of it.
  var capabilities: Capabilities { get }

  /// Asks the outside world about what a request claims: who has a VIP, whose a server's address is. May take a while,
  /// and changes nothing.
  func admit(_ claims: [Claim]) async -> Admission

  /// Puts the next state in force whole. It is in force on return.
  ///
  /// - Throws: where it cannot be; what was in force before still is then.
  func adopt(_ transition: Transition) async throws(PlaneError)

  /// What the services do, in the order they were added. A service that the plane has from somebody else may be there too.
  func status() async throws(PlaneError) -> [ServiceStatus]

  /// The same of one service; nil where there is none.
  func status(of key: ServiceKey) async throws(PlaneError) -> ServiceStatus?

  /// The sum over all services that there are and were, since the start or the last `zero` of all.
  func total() async throws(PlaneError) -> Traffic

  /// Calls `body` with slices of the connections and templates that match, until it returns false.
  func connections(
    _ filter: ConnectionFilter, _ body: @Sendable ([ConnectionStatus]) async -> Bool
  ) async throws(PlaneError)

  /// The timeouts as they are.
  func timeouts() async throws(PlaneError) -> Timeouts

  /// The settings as they are, which may differ from what they were set to: automatic ones go up and down by themselves.
  func settings() async throws(PlaneError) -> [String: String]

  /// Makes the present counters the new zero: of one service, or of all.
  func zero(_ service: ServiceKey?) async throws(PlaneError)

  /// Returns when each of its threads has come round: they all work.
  func turn() async

  /// Forwards no more, and leaves nothing behind on the host.
  func stop() async
}

extension ForwardingPlane {
  /// Without threads of its own there is nothing to wait for.
  public func turn() async {}

  public func status(of key: ServiceKey) async throws(PlaneError) -> ServiceStatus? {
    try await status().first { $0.service.key == key }
  }
}

/// From the state that a plane has in force to the next one.
public struct Transition: Sendable {
  /// As the plane is to have it (`DesiredState.forced`).
  public let next: DesiredState
  /// What leads there, step by step: no drains and no checks, but the servers that come of them.
  public let steps: [Change]
  /// VIPs that are left to another host until it lets go of them, and that host's station.
  public let standby: [IPAddress: MACAddress]

  public init(to next: DesiredState, by steps: [Change], standby: [IPAddress: MACAddress] = [:]) {
    (self.next, self.steps, self.standby) = (next, steps, standby)
  }
}

/// What a plane has beside its forwarding; a part that is nil it does not have.
public struct Facilities: Sendable {
  public var vips: (@Sendable () async -> [VIPStatus])?
  public var takeover: (any VIPTakeover)?
  public var neighbors: (@Sendable () async -> [NeighborStatus])?
  public var failedNeighbors: FailedNeighbors?
  public var workers: (@Sendable () async -> [WorkerStatus])?
  /// How full the tables are that traffic fills; with the workers, whose they are.
  public var tables: (@Sendable () async -> [TableStatus])?
  public var verdicts: (@Sendable () async -> VerdictCounts)?
  public var doctor: (any Doctor)?
  public var sync: (any Synchronization)?
  /// Streams the frames that are handled, with their verdicts, as the bytes of a capture file until the stream is
  /// canceled. The filter is a libpcap expression.
  public var capture: (@Sendable (_ filter: String?) async throws(PlaneError) -> AsyncStream<[UInt8]>)?
  /// Who watches the real servers.
  public var health: (any HealthWatch)?
  /// Who looks for real servers.
  public var discovery: (any DiscoveryWatch)?

  public init() {}

  /// The parts that are there.
  public var features: Set<Capabilities.Feature> {
    let parts: [(Capabilities.Feature, Bool)] = [
      (.vips, vips != nil), (.takeover, takeover != nil), (.neighbors, neighbors != nil), (.workers, workers != nil),
      (.verdicts, verdicts != nil), (.doctor, doctor != nil), (.capture, capture != nil),
      (.checks, health != nil), (.vipChecks, health?.asksByVIP == true), (.sync, sync != nil),
      (.discovery, discovery != nil),
    ]
    return Set(parts.filter(\.1).map(\.0))
  }
}

/// VIPs that are taken and given up by command.
public protocol VIPTakeover: Sendable {
  /// Takes VIPs at once, whoever has them; all where none is named.
  func takeOver(_ vips: [IPAddress]) async throws(PlaneError)
  /// Gives VIPs up until they are taken over again; all where none is named.
  func release(_ vips: [IPAddress]) async throws(PlaneError)
}

/// A look for what breaks direct routing.
public protocol Doctor: Sendable {
  /// What is known, as of the last look.
  func findings() async -> [Finding]
  /// Looks, on the wire too; takes some seconds.
  func examine() async throws(PlaneError) -> [Finding]
}

/// Connections that directors tell each other of. There is one master and one backup at most.
public protocol Synchronization: Sendable {
  func status() async -> SyncStatus
  /// - Throws: where a daemon of the role runs already, or its interface or group cannot be had.
  func start(_ daemon: SyncDaemon) async throws(PlaneError)
  /// - Throws: where none of the role runs.
  func stop(_ role: SyncDaemon.Role) async throws(PlaneError)
  /// For so many seconds what is for these VIPs and of no known connection is dropped unanswered; none for 0.
  func move(_ vips: [IPAddress], seconds: UInt32) async
  /// Enters connections that another plane had, where they are not known.
  ///
  /// - Returns: what became of them, by outcome.
  func enter(_ rows: [ConnectionStatus]) async throws(PlaneError) -> [String: UInt64]
}
