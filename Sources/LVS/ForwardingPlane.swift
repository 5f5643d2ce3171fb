/// Something that forwards for virtual services: this program's own data plane, or the kernel's IPVS.
public protocol ForwardingPlane: Sendable {
  /// Carries the changes out in order. They are in force on return.
  ///
  /// - Throws: at the first change that is refused; the ones before it stay in force, it and the rest are not done.
  func apply(_ changes: [Change]) async throws(PlaneError)

  /// The same for the steps towards a configuration: what cannot be had yet holds up nothing else.
  func reconcile(_ changes: [Change]) async throws(PlaneError)

  /// Carries each change out by itself, in order: one that is refused holds up none after it.
  ///
  /// - Returns: of each change why it was refused; nil where it is in force.
  func attempt(_ changes: [Change]) async -> [PlaneError?]

  /// All services in the order they were added.
  func status() async throws(PlaneError) -> [ServiceStatus]

  /// The sum over all services that there are and were, since the start or the last `zero` of all.
  func total() async throws(PlaneError) -> Traffic

  /// Calls `body` with slices of the connections and templates that match, until it returns false.
  func connections(
    _ filter: ConnectionFilter, _ body: @Sendable ([ConnectionStatus]) async -> Bool
  ) async throws(PlaneError)

  func timeouts() async throws(PlaneError) -> Timeouts

  /// Sets those that are not zero. They apply from each connection's next packet on.
  func setTimeouts(_ timeouts: Timeouts) async throws(PlaneError)

  /// Makes the present counters the new zero: of one service, or of all.
  func zero(_ service: ServiceKey?) async throws(PlaneError)
}

extension ForwardingPlane {
  public func reconcile(_ changes: [Change]) async throws(PlaneError) { try await apply(changes) }

  public func attempt(_ changes: [Change]) async -> [PlaneError?] {
    var refusals: [PlaneError?] = []
    for change in changes {
      do throws(PlaneError) {
        try await apply([change])
        refusals.append(nil)
      } catch {
        refusals.append(error)
      }
    }
    return refusals
  }
}

/// What only this program's own data plane can tell.
public protocol DirectorInspection: Sendable {
  func neighbors() async -> [NeighborStatus]
  func vips() async -> [VIPStatus]
  /// Takes VIPs at once, whoever has them; all where none is named.
  func takeOver(_ vips: [IPAddress]) async throws(PlaneError)
  /// Gives VIPs up until they are taken over again; all where none is named.
  func release(_ vips: [IPAddress]) async throws(PlaneError)
  /// What is known to break direct routing.
  func findings() async -> [Finding]
  /// Looks for what breaks direct routing, on the wire too; takes some seconds.
  func examine() async throws(PlaneError) -> [Finding]
  func workers() async -> [WorkerStatus]
  func verdicts() async -> VerdictCounts
  /// The named settings, as the kernel's `net.ipv4.vs` sysctls are named.
  func settings() async -> [String: String]
  func set(_ key: String, to value: String) async throws(PlaneError)
  /// The rules that mark packets, in order.
  func marks() async -> [MarkRule]
  func setMarks(_ rules: [MarkRule]) async throws(PlaneError)
  /// Streams the frames that workers handle, with their verdicts, as the bytes of a pcapng file until whoever iterates
  /// is cancelled. `filter` is a libpcap expression.
  func capture(filter: String?) async throws(PlaneError) -> AsyncStream<[UInt8]>
}

/// The three timeouts of `ipvsadm --set`, in seconds; 0 means: leave as it is.
public struct Timeouts: Hashable, Sendable, Codable {
  public var tcp: UInt32
  public var tcpFin: UInt32
  public var udp: UInt32

  public init(tcp: UInt32 = 0, tcpFin: UInt32 = 0, udp: UInt32 = 0) {
    (self.tcp, self.tcpFin, self.udp) = (tcp, tcpFin, udp)
  }
}

/// Which connections to list; a nil field matches all.
public struct ConnectionFilter: Hashable, Sendable, Codable {
  public var client: Prefix?
  public var service: ServiceKey?
  public var server: IPAddress?
  public var state: String?

  public init(client: Prefix? = nil, service: ServiceKey? = nil, server: IPAddress? = nil, state: String? = nil) {
    self.client = client
    self.service = service
    self.server = server
    self.state = state
  }
}

extension ConnectionFilter {
  /// What the kernel calls the states of connections, of TCP, UDP and SCTP, and those of templates.
  public static let states = [
    "NONE", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN",
    "SYNACK", "UDP", "INIT1", "INIT", "C-SENT", "C-REPLIED", "C-WAIT", "COOKIE", "C-ECHOED", "S-SENT", "S-RECEIVED",
    "S-ACK-SENT", "REJECTED", "CLOSED", "ASSURED",
  ]

  /// Whether a row is to be listed, as far as the row itself says.
  public func matches(_ row: ConnectionStatus) -> Bool {
    if let client, !client.contains(row.client.address) { return false }
    if let server, server != row.server.address { return false }
    if let state, state != row.state { return false }
    switch service {
    case nil: return true
    case .endpoint(let transport, let endpoint): return transport.name == row.transport && endpoint == row.virtual
    case .fwmark(let mark, let family):
      // Only a mark's templates say so: their protocol is none, and the mark stands where the VIP does.
      return row.transport == "ip" && row.virtual.address == IPAddress(v4: mark) && family == .v4
    }
  }
}

/// An address range: `10.0.0.0/8`, `2001:db8::/32`, or one address.
public struct Prefix: Hashable, Sendable, TextCodable {
  public static var kind: String { "an address range such as 10.0.0.0/8" }

  public var address: IPAddress
  public var length: UInt8

  public init(_ address: IPAddress, length: UInt8) {
    self.address = address.masked(prefix: length)
    self.length = length
  }

  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, let address = IPAddress(parts[0]) else { return nil }
    guard parts.count == 2 else {
      self.init(address, length: address.family.bits)
      return
    }
    guard let length = UInt8(parts[1]), length <= address.family.bits else { return nil }
    self.init(address, length: length)
  }

  public var description: String { "\(address)/\(length)" }

  public func contains(_ other: IPAddress) -> Bool {
    other.family == address.family && other.masked(prefix: length) == address
  }
}
