import Foundation
import LVS

/// All operations of the API.
///
/// Resources are JSON, refusals an `ErrorReply`. Beside them there are `GET /metrics`, and two that stream:
/// `GET /v1/connections`, a JSON object a line, and `GET /v1/capture`, a capture file.
public enum API {
  // Services.
  public static let services = Operation<ServiceChoice, [ServiceStatus]>(.get, "services", in: .query)
  public static let flush = Operation<Nothing, Nothing>(.delete, "services")
  public static let zero = Operation<ServiceChoice, Nothing>(.post, "zero", in: .query)
  public static let total = Operation<Nothing, Traffic>(.get, "total")

  // What is wanted.
  /// All of them, or none.
  public static let changes = Operation<[Change], Applied>(.post, "changes", in: .body)
  /// Each by itself: of each why it was refused, null where it is in force.
  public static let attempts = Operation<[Change], [ErrorReply?]>(.post, "attempts", in: .body)
  public static let configuration = Operation<Nothing, Configuration>(.get, "configuration")
  /// YAML is read too.
  public static let apply = Operation<Configuration, Applied>(.put, "configuration", in: .body) {
    try Configuration(yaml: String(decoding: $0, as: UTF8.self))
  }
  /// What applying a configuration would change.
  public static let planned = Operation<Configuration, [Difference]>(.post, "configuration/planned", in: .body)
  /// What is otherwise now than a configuration says.
  public static let drift = Operation<Configuration, [Difference]>(.post, "configuration/drift", in: .body)
  /// The file that lbd was started with, again.
  public static let reload = Operation<Nothing, Applied>(.post, "reload")
  public static let marks = Operation<Nothing, [MarkRule]>(.get, "marks")
  public static let setMarks = Operation<[MarkRule], [MarkRule]>(.put, "marks", in: .body)
  public static let timeouts = Operation<Nothing, Timeouts>(.get, "timeouts")
  public static let setTimeouts = Operation<Timeouts, Timeouts>(.put, "timeouts", in: .body)
  public static let settings = Operation<Nothing, [String: SettingValue]>(.get, "settings")
  public static let set = Operation<Setting, [String: SettingValue]>(.put, "settings/:name", in: .body)

  // Health.
  public static let checks = Operation<Nothing, [NamedCheck]>(.get, "checks")
  public static let health = Operation<ServiceChoice, [ServiceHealth]>(.get, "health", in: .query)
  public static let serving = Operation<VIPChoice, Serving>(.get, "serving", in: .query)

  // The plane.
  public static let capabilities = Operation<Nothing, Capabilities>(.get, "capabilities")
  public static let vips = Operation<Nothing, [VIPStatus]>(.get, "vips")
  public static let takeOver = Operation<NamedVIPs, [VIPStatus]>(.post, "vips/takeover", in: .body)
  public static let release = Operation<NamedVIPs, [VIPStatus]>(.post, "vips/release", in: .body)
  public static let neighbors = Operation<Nothing, [NeighborStatus]>(.get, "neighbors")
  public static let workers = Operation<Nothing, [WorkerStatus]>(.get, "workers")
  public static let tables = Operation<Nothing, [TableStatus]>(.get, "tables")
  public static let verdicts = Operation<Nothing, VerdictCounts>(.get, "verdicts")
  public static let findings = Operation<Nothing, [Finding]>(.get, "findings")
  public static let examine = Operation<Nothing, [Finding]>(.post, "doctor")
  public static let sync = Operation<Nothing, SyncStatus>(.get, "sync")
  public static let startSync = Operation<SyncDaemon, SyncStatus>(.post, "sync/start", in: .body)
  public static let stopSync = Operation<SyncRole, SyncStatus>(.post, "sync/stop", in: .body)
  /// For the time that connections are carried over from or to the kernel.
  public static let moving = Operation<VIPMove, Nothing>(.post, "vips/moving", in: .body)
  /// Connections that the kernel had. Of so many, by what became of them.
  public static let enterConnections = Operation<[ConnectionStatus], [String: UInt64]>(
    .post, "connections/enter", in: .body)

  // Streams.
  static let connections = StreamOperation<ConnectionFilter>("connections")
  static let capture = StreamOperation<CaptureChoice>("capture")
}

/// One service, or all where none is named.
public struct ServiceChoice: Hashable, Sendable, Codable {
  public var service: ServiceKey?

  public init(_ service: ServiceKey? = nil) { self.service = service }
}

/// One VIP, or all where none is named.
public struct VIPChoice: Hashable, Sendable, Codable {
  public var vip: IPAddress?

  public init(_ vip: IPAddress? = nil) { self.vip = vip }
}

/// Which VIPs; all where none is named.
public struct NamedVIPs: Hashable, Sendable, Codable {
  public var vips: [IPAddress]

  public init(_ vips: [IPAddress]) { self.vips = vips }
}

/// The sync daemon that is meant.
public struct SyncRole: Hashable, Sendable, Codable {
  public var role: SyncDaemon.Role

  public init(_ role: SyncDaemon.Role) { self.role = role }
}

/// VIPs whose connections are carried over, and for how many seconds at most; 0: no longer.
public struct VIPMove: Hashable, Sendable, Codable {
  public var vips: [IPAddress]
  public var seconds: UInt32

  public init(_ vips: [IPAddress], seconds: UInt32) { (self.vips, self.seconds) = (vips, min(seconds, Self.longest)) }

  /// Nothing that lasts longer is a move.
  public static let longest: UInt32 = 60
}

/// A setting and what it is to be.
public struct Setting: Hashable, Sendable, Codable {
  public var name: String
  public var value: SettingValue

  public init(_ name: String, _ value: String) { (self.name, self.value) = (name, SettingValue(value)) }
}

/// Which frames: all where no libpcap expression selects some.
struct CaptureChoice: Hashable, Sendable, Codable {
  var filter: String?
}

/// What a request that changes things answers.
public struct Applied: Hashable, Sendable, Codable {
  /// How many changes it took.
  public var changes: Int
}
