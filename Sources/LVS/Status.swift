/// A virtual service as it runs.
public struct ServiceStatus: Sendable, Hashable {
  public var service: VirtualService
  public var statistics: Statistics
  public var rates: Rates
  /// In the scheduler's order: the newest first.
  public var servers: [ServerStatus]

  public init(
    service: VirtualService, statistics: Statistics = .init(), rates: Rates = .init(), servers: [ServerStatus] = []
  ) {
    self.service = service
    self.statistics = statistics
    self.rates = rates
    self.servers = servers
  }

  /// What would have to be configured to have this service: its servers in the order they were added.
  public var definition: ServiceDefinition {
    ServiceDefinition(service, servers: servers.reversed().map(\.server))
  }
}

/// A real server as it runs.
public struct ServerStatus: Sendable, Hashable {
  public var server: RealServer
  /// What schedulers go by, and what holds it below the weight that was asked for.
  public var effectiveWeight: Int32
  public var weightHolds: [Weight.Hold]
  public var activeConnections: UInt32
  public var inactiveConnections: UInt32
  /// Templates, not connections.
  public var persistentConnections: UInt32
  public var isOverloaded: Bool
  public var statistics: Statistics
  public var rates: Rates
  /// The Ethernet address that frames go to; nil while it is being resolved, or where a kernel forwards.
  public var resolvedMAC: MACAddress?

  public init(
    server: RealServer, activeConnections: UInt32 = 0, inactiveConnections: UInt32 = 0,
    persistentConnections: UInt32 = 0, isOverloaded: Bool = false, statistics: Statistics = .init(),
    rates: Rates = .init(), resolvedMAC: MACAddress? = nil
  ) {
    self.server = server
    (effectiveWeight, weightHolds) = (server.weight.effective, server.weight.holds)
    self.activeConnections = activeConnections
    self.inactiveConnections = inactiveConnections
    self.persistentConnections = persistentConnections
    self.isOverloaded = isOverloaded
    self.statistics = statistics
    self.rates = rates
    self.resolvedMAC = resolvedMAC
  }

  /// Is of what was asked for, in place of what the plane knows of it.
  mutating func take(_ server: RealServer) {
    (self.server, effectiveWeight, weightHolds) = (server, server.weight.effective, server.weight.holds)
  }
}

/// One row of the connection table, or one persistence template (client port 0).
public struct ConnectionStatus: Sendable, Codable, Hashable {
  /// `tcp`, `udp`, `sctp`; `ip` for a firewall mark's template.
  public var transport: String
  public var client: Endpoint
  public var virtual: Endpoint
  public var server: Endpoint
  /// The kernel's name: `ESTABLISHED`, `FIN_WAIT`, `UDP`; for a template `NONE` or `ASSURED`.
  public var state: String
  /// Seconds until the row expires.
  public var expires: UInt32
  public var isTemplate: Bool

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case transport, client, virtual, server, state, expires
    case isTemplate = "is_template"
  }

  public init(
    transport: String, client: Endpoint, virtual: Endpoint, server: Endpoint, state: String, expires: UInt32,
    isTemplate: Bool
  ) {
    self.transport = transport
    self.client = client
    self.virtual = virtual
    self.server = server
    self.state = state
    self.expires = expires
    self.isTemplate = isTemplate
  }
}

/// An address that the director resolves or has resolved.
public struct NeighborStatus: Sendable, Codable, Hashable {
  public enum State: String, Sendable, Codable, CaseIterable {
    /// Asked for, no answer yet.
    case incomplete
    /// Answered within the time it is believed.
    case reachable
    /// Was asked again and has not answered yet; the old answer is used meanwhile.
    case probing
    /// Did not answer; frames to it are dropped and it is asked again from time to time.
    case failed
    /// Fixed by the operator (`--mac`).
    case permanent
  }

  public var address: IPAddress
  public var mac: MACAddress?
  public var state: State
  /// Seconds since the address last answered.
  public var confirmed: UInt32?

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case address, mac, state, confirmed
  }

  public init(address: IPAddress, mac: MACAddress?, state: State, confirmed: UInt32?) {
    self.address = address
    self.mac = mac
    self.state = state
    self.confirmed = confirmed
  }
}

/// A VIP that the director owns, or is about to.
public struct VIPStatus: Sendable, Codable, Hashable {
  public enum State: String, Sendable, Codable, CaseIterable {
    case probing
    case owned
    /// Another host answers for it; it is taken when that has ceased.
    case contested
    /// Given up by the operator until it is taken over again.
    case released
  }

  public var address: IPAddress
  public var state: State
  /// The other owner's Ethernet address, where one was seen.
  public var otherOwner: MACAddress?

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case address, state
    case otherOwner = "other_owner"
  }

  public init(address: IPAddress, state: State, otherOwner: MACAddress? = nil) {
    (self.address, self.state, self.otherOwner) = (address, state, otherOwner)
  }
}

/// What one worker thread did since it started.
public struct WorkerStatus: Sendable, Codable, Hashable {
  public var id: Int
  public var processor: Int?
  public var frames: UInt64
  public var batches: UInt64
  /// The most frames that waited in the ring at once within the last second, and how many can.
  public var ringFill: UInt64
  public var ringSize: UInt64
  /// Frames that the kernel dropped because the ring was full.
  public var ringDrops: UInt64
  /// Frames that were given to the worker that owns their connection.
  public var handedOver: UInt64
  /// Frames that the kernel forwarded by itself, since their flows were established.
  public var offloaded: UInt64
  /// Frames that the kernel would not transmit.
  public var transmitErrors: UInt64
  public var connections: UInt64
  /// The share of the last second that was spent working, 0 to 1.
  public var load: Double

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case id, processor, frames, batches
    case ringFill = "ring_fill"
    case ringSize = "ring_size"
    case ringDrops = "ring_drops"
    case handedOver = "handed_over"
    case offloaded
    case transmitErrors = "transmit_errors"
    case connections, load
  }

  public init(
    id: Int, processor: Int? = nil, frames: UInt64 = 0, batches: UInt64 = 0, ringFill: UInt64 = 0,
    ringSize: UInt64 = 0, ringDrops: UInt64 = 0, handedOver: UInt64 = 0, offloaded: UInt64 = 0,
    transmitErrors: UInt64 = 0,
    connections: UInt64 = 0, load: Double = 0
  ) {
    self.id = id
    self.processor = processor
    self.frames = frames
    self.batches = batches
    self.ringFill = ringFill
    self.ringSize = ringSize
    self.ringDrops = ringDrops
    self.handedOver = handedOver
    self.offloaded = offloaded
    self.transmitErrors = transmitErrors
    self.connections = connections
    self.load = load
  }
}

/// How many frames got each verdict, over all workers.
public struct VerdictCounts: Sendable, Codable, Hashable {
  public var forwarded: UInt64
  /// Frames that the director answered itself: ARP, ping, resets, ICMP errors.
  public var answered: UInt64
  public var passed: UInt64
  public var held: UInt64
  /// By `DropReason.name`; every reason is present.
  public var dropped: [String: UInt64]

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case forwarded, answered, passed, held, dropped
  }

  public init(
    forwarded: UInt64 = 0, answered: UInt64 = 0, passed: UInt64 = 0, held: UInt64 = 0, dropped: [String: UInt64] = [:]
  ) {
    self.forwarded = forwarded
    self.answered = answered
    self.passed = passed
    self.held = held
    self.dropped = dropped
  }
}

extension VerdictCounts {
  /// One line for each verdict that some frame got.
  public var summary: String {
    let verdicts = [("forwarded", forwarded), ("answered", answered), ("passed", passed), ("held", held)]
    let drops = dropped.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map { ("dropped \($0.key)", $0.value) }
    return (verdicts + drops).map { "\($0.1) \($0.0)" }.joined(separator: "\n")
  }
}
