/// Marks packets, as an iptables rule with a MARK target does: the service of that mark then takes them.
///
/// The first rule that matches counts. What is nil matches all.
public struct MarkRule: Hashable, Sendable, Codable {
  /// How many addresses `destination` may have at most; each of them is a VIP that the director owns.
  public static let maximumAddresses = 256

  public var destination: Prefix
  public var source: Prefix?
  public var transport: TransportProtocol?
  public var ports: PortRange?
  public var mark: UInt32

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case destination, source, transport, ports, mark
  }

  public init(
    destination: Prefix, source: Prefix? = nil, transport: TransportProtocol? = nil, ports: PortRange? = nil,
    mark: UInt32
  ) {
    self.destination = destination
    self.source = source
    self.transport = transport
    self.ports = ports
    self.mark = mark
  }

  public func matches(
    _ packetSource: IPAddress, _ packetDestination: IPAddress, _ packetTransport: UInt8, _ port: UInt16
  ) -> Bool {
    destination.contains(packetDestination) && source?.contains(packetSource) ?? true
      && transport.map { $0.rawValue == packetTransport } ?? true && ports?.contains(port) ?? true
  }

  /// All addresses of the destination.
  public var addresses: [IPAddress] {
    let count = UInt64(1) << UInt64(destination.address.family.bits - destination.length)
    return (0..<min(count, UInt64(Self.maximumAddresses))).map { offset in
      let base = destination.address
      return base.family == .v4 ? IPAddress(v4: base.v4 + UInt32(offset)) : IPAddress(v6: base.high, base.low + offset)
    }
  }

  /// Refuses what cannot be meant.
  public func validate() throws(PlaneError) {
    guard mark > 0 else { throw .outOfRange("a mark is 1 to \(UInt32.max), not 0") }
    guard destination.address.family.bits - destination.length <= 8 else {
      throw .outOfRange(
        "\(destination) has more than \(Self.maximumAddresses) addresses: the director owns each (a longer prefix has fewer)"
      )
    }
    guard destination.address.isUnicast else { throw .invalid("\(destination.address) is not a host's address") }
    if let source, source.address.family != destination.address.family {
      throw .invalid("source \(source) is not of the family of destination \(destination)")
    }
    if let ports, ports.first > ports.last { throw .outOfRange("ports \(ports) run backwards") }
  }
}

extension ServiceKey {
  /// The VIPs of the service: its own, or those that the rules give its mark.
  public func addresses(by rules: [MarkRule]) -> [IPAddress] {
    switch self {
    case .endpoint(_, let end): [end.address]
    case .fwmark(let mark, let family):
      rules.filter { $0.mark == mark && $0.destination.address.family == family }.flatMap(\.addresses)
    }
  }
}

/// One port or a range of them, written `80` or `8000-8100`.
public struct PortRange: Hashable, Sendable, TextCodable {
  public static var kind: String { "a port or a range such as 8000-8100" }

  public var first: UInt16
  public var last: UInt16

  public init(_ first: UInt16, _ last: UInt16) {
    (self.first, self.last) = (first, last)
  }

  public init?(_ text: String) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
    guard (1...2).contains(parts.count), let first = parts[0], let last = parts[parts.count - 1], first <= last else {
      return nil
    }
    self.init(first, last)
  }

  public var description: String { first == last ? String(first) : "\(first)-\(last)" }

  public func contains(_ port: UInt16) -> Bool { first <= port && port <= last }
}
