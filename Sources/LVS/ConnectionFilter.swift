/// Which connections to list; a nil field matches all.
public struct ConnectionFilter: Hashable, Sendable, Codable {
  public var client: Prefix?
  public var service: ServiceKey?
  public var server: IPAddress?
  public var state: String?

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case client, service, server, state
  }

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
