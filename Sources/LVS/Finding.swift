/// Something that breaks direct routing: what was seen, why it matters, and what puts it right.
public struct Finding: Sendable, Codable, Hashable {
  /// Its raw value is its name in metrics and listings.
  public enum Kind: String, Sendable, Codable, CaseIterable {
    // Who has the VIP.
    case vipAnswered = "vip_answered"
    case vipAnnounced = "vip_announced"
    case vipAsSender = "vip_as_sender"
    case vipContested = "vip_contested"
    case vipOnHost = "vip_on_host"
    case vipUnclaimed = "vip_unclaimed"
    // Real servers.
    case serverUnresolved = "server_unresolved"
    case serverElsewhere = "server_elsewhere"
    case serverShared = "server_shared"
    case serverDuplicate = "server_duplicate"
    case serverRefuses = "server_refuses"
    case serverFiltered = "server_filtered"
    case serverWithoutVIP = "server_without_vip"
    case serverMTU = "server_mtu"
    case serverSilent = "server_silent"
    case serverUnanswering = "server_unanswering"
    // The director's host and LAN.
    case ipForward = "ip_forward"
    case reversePathFilter = "reverse_path_filter"
    case largeReceive = "large_receive"
    case hiddenTags = "hidden_tags"
    case interfaceDown = "interface_down"
    case noAddress = "no_address"
    case flooding
    case disconnected
    // Tables that traffic fills.
    case tableFull = "table_full"
    // Balance.
    case uneven
    // Where servers are discovered.
    case discoveryFailed = "discovery_failed"
    case discoveryIncomplete = "discovery_incomplete"
  }

  public var kind: Kind
  /// The VIP or service it is about, where it is about one.
  public var vip: String?
  /// The real server, station or interface at fault.
  public var subject: String
  /// What was seen, in one line.
  public var seen: String
  /// Why it matters, in one line.
  public var why: String
  /// The command that puts it right, and where it is to be run.
  public var fix: String

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case kind, vip, subject, seen, why, fix
  }

  public init(_ kind: Kind, vip: String? = nil, subject: String, seen: String, why: String, fix: String) {
    self.kind = kind
    self.vip = vip
    self.subject = subject
    self.seen = seen
    self.why = why
    self.fix = fix
  }
}
