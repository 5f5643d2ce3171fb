/// Something that breaks direct routing: what was seen, why it matters, and what puts it right.
public struct Finding: Sendable, Codable, Hashable {
  public enum Kind: String, Sendable, Codable, CaseIterable {
    // Who has the VIP.
    case vipAnswered, vipAnnounced, vipAsSender, vipContested, vipOnHost, vipUnclaimed
    // Real servers.
    case serverUnresolved, serverElsewhere, serverShared, serverDuplicate, serverRefuses, serverFiltered
    case serverWithoutVIP, serverMTU, serverSilent, serverUnanswering
    // The director's host and LAN.
    case ipForward, reversePathFilter, largeReceive, hiddenTags, interfaceDown, noAddress, flooding, disconnected
    // Tables that traffic fills.
    case tableFull
    // Balance.
    case uneven

    /// The name in metrics and listings: `vip_answered`.
    public var name: String {
      if self == .serverWithoutVIP { return "server_without_vip" }
      if self == .serverMTU { return "server_mtu" }
      return rawValue.reduce(into: "") { name, letter in
        name += letter.isUppercase ? "_" + letter.lowercased() : String(letter)
      }
    }
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

  public init(_ kind: Kind, vip: String? = nil, subject: String, seen: String, why: String, fix: String) {
    self.kind = kind
    self.vip = vip
    self.subject = subject
    self.seen = seen
    self.why = why
    self.fix = fix
  }
}
