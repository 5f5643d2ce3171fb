import Foundation
import LVS

/// All operations of the API.
///
/// Resources are JSON, refusals an `ErrorReply`; beside them there is `GET /metrics`. `APIDocument` describes all of it by
/// what is declared here and by the types' fields (`Description/`).
public enum API {
  // Services.
  public static let services = Operation<ServiceChoice, [ServiceStatus]>(
    .get, "services", in: .query, "The services as they run, with their servers and counters.")
  public static let flush = Operation<Nothing, Nothing>(.delete, "services", "Removes all services.")
  public static let zero = Operation<ServiceChoice, Nothing>(
    .post, "zero", in: .query, "Sets the counters of a service and its servers to 0.")
  public static let total = Operation<Nothing, Traffic>(.get, "total", "What went through the whole director.")

  // What is wanted.
  public static let changes = Operation<[Change], Applied>(
    .post, "changes", in: .body, "Carries changes out: all of them, or none.")
  public static let attempts = Operation<[Change], [ErrorReply?]>(
    .post, "attempts", in: .body,
    "Carries each change out by itself, and answers of each why it was refused, null where it is in force.")
  public static let configuration = Operation<Nothing, Configuration>(
    .get, "configuration", "All that is asked for, as a file says it.")
  public static let apply = Operation<Configuration, Applied>(
    .put, "configuration", in: .body, "Makes the director as a file says, which may be YAML too."
  ) {
    try Configuration(yaml: String(decoding: $0, as: UTF8.self))
  }
  public static let planned = Operation<Configuration, [Difference]>(
    .post, "configuration/planned", in: .body, "What applying a configuration would change.")
  public static let drift = Operation<Configuration, [Difference]>(
    .post, "configuration/drift", in: .body, "What is otherwise now than a configuration says.")
  public static let reload = Operation<Nothing, Applied>(
    .post, "reload", "Applies the file that lbd was started with, again.")
  public static let marks = Operation<Nothing, [MarkRule]>(.get, "marks", "The rules that mark packets, in order.")
  public static let setMarks = Operation<[MarkRule], [MarkRule]>(
    .put, "marks", in: .body, "Sets all rules that mark packets.")
  public static let timeouts = Operation<Nothing, Timeouts>(
    .get, "timeouts", "How long idle connections are kept, in seconds.")
  public static let setTimeouts = Operation<Timeouts, Timeouts>(
    .put, "timeouts", in: .body, "Sets timeouts; what is left out, or 0, stays as it is.")
  public static let settings = Operation<Nothing, [String: SettingValue]>(.get, "settings", "All settings by name.")
  public static let set = Operation<Setting, [String: SettingValue]>(
    .put, "settings/:name", in: .body, "Changes a setting.")

  // Health.
  public static let checks = Operation<Nothing, [NamedCheck]>(.get, "checks", "The health checks that were asked for.")
  public static let health = Operation<ServiceChoice, [ServiceHealth]>(
    .get, "health", in: .query, "What is known of the health of servers.")
  public static let serving = Operation<VIPChoice, Serving>(
    .get, "serving", in: .query, "Whether clients are served, for whoever announces a VIP.")

  // Discovery.
  public static let discoveries = Operation<Nothing, [DiscoveryStatus]>(
    .get, "discoveries", "Where servers are discovered, and which were.")

  // The plane.
  public static let capabilities = Operation<Nothing, Capabilities>(
    .get, "capabilities", "What the data plane can do.")
  public static let vips = Operation<Nothing, [VIPStatus]>(.get, "vips", "The VIPs and who has them.")
  public static let takeOver = Operation<NamedVIPs, [VIPStatus]>(
    .post, "vips/takeover", in: .body, "Takes VIPs, whoever has them.")
  public static let release = Operation<NamedVIPs, [VIPStatus]>(
    .post, "vips/release", in: .body, "Gives VIPs up until they are taken over again.")
  public static let neighbors = Operation<Nothing, [NeighborStatus]>(
    .get, "neighbors", "The addresses of real servers on the LAN.")
  public static let workers = Operation<Nothing, [WorkerStatus]>(.get, "workers", "What each worker thread did.")
  public static let tables = Operation<Nothing, [TableStatus]>(.get, "tables", "The tables that traffic fills.")
  public static let verdicts = Operation<Nothing, VerdictCounts>(.get, "verdicts", "What became of frames.")
  public static let findings = Operation<Nothing, [Finding]>(
    .get, "findings", "What was found so far that breaks direct routing.")
  public static let examine = Operation<Nothing, [Finding]>(
    .post, "doctor", "Looks for what breaks direct routing, and answers what was found.")
  public static let sync = Operation<Nothing, SyncStatus>(.get, "sync", "The sync daemons and what they did.")
  public static let startSync = Operation<SyncDaemon, SyncStatus>(
    .post, "sync/start", in: .body, "Starts a sync daemon.")
  public static let stopSync = Operation<SyncRole, SyncStatus>(.post, "sync/stop", in: .body, "Ends a sync daemon.")
  public static let moving = Operation<VIPMove, Nothing>(
    .post, "vips/moving", in: .body, "Announces that connections of VIPs are carried over from or to the kernel.")
  public static let enterConnections = Operation<[ConnectionStatus], [String: UInt64]>(
    .post, "connections/enter", in: .body, "Enters connections that the kernel had; how many, by what became of them.")

  // The API itself.
  static let document = Operation<Nothing, JSONValue>(.get, "openapi.json", "This description, as OpenAPI 3.1 has it.")

  // Streams.
  static let connections = StreamOperation<ConnectionFilter>(
    "connections", "The connections, a JSON object a line; one that breaks off ends with a refusal.",
    "application/x-ndjson", line: ConnectionStatus.shape)
  static let capture = StreamOperation<CaptureChoice>(
    "capture", "The frames that are handled, as a capture file that goes on.", "application/vnd.tcpdump.pcap")
}

/// One service, or all where none is named.
public struct ServiceChoice: Hashable, Sendable, Codable {
  public var service: ServiceKey?

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case service
  }

  public init(_ service: ServiceKey? = nil) { self.service = service }
}

/// One VIP, or all where none is named.
public struct VIPChoice: Hashable, Sendable, Codable {
  public var vip: IPAddress?

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case vip
  }

  public init(_ vip: IPAddress? = nil) { self.vip = vip }
}

/// Which VIPs; all where none is named.
public struct NamedVIPs: Hashable, Sendable, Codable {
  public var vips: [IPAddress]

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case vips
  }

  public init(_ vips: [IPAddress]) { self.vips = vips }
}

/// The sync daemon that is meant.
public struct SyncRole: Hashable, Sendable, Codable {
  public var role: SyncDaemon.Role

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case role
  }

  public init(_ role: SyncDaemon.Role) { self.role = role }
}

/// VIPs whose connections are carried over, and for how many seconds at most; 0: no longer.
public struct VIPMove: Hashable, Sendable, Codable {
  public var vips: [IPAddress]
  public var seconds: UInt32

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case vips, seconds
  }

  public init(_ vips: [IPAddress], seconds: UInt32) { (self.vips, self.seconds) = (vips, min(seconds, Self.longest)) }

  /// Nothing that lasts longer is a move.
  public static let longest: UInt32 = 60
}

/// A setting and what it is to be.
public struct Setting: Hashable, Sendable, Codable {
  public var name: String
  public var value: SettingValue

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case name, value
  }

  public init(_ name: String, _ value: String) { (self.name, self.value) = (name, SettingValue(value)) }
}

/// Which frames: all where no libpcap expression selects some.
struct CaptureChoice: Hashable, Sendable, Codable {
  var filter: String?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case filter
  }
}

/// What a request that changes things answers.
public struct Applied: Hashable, Sendable, Codable {
  /// How many changes it took.
  public var changes: Int

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case changes
  }
}
