/// Where a service learns of servers, beside those that the operator names.
public struct Discovery: Hashable, Sendable {
  public enum Source: Hashable, Sendable {
    case dns(DNSLookup)
    /// A file's whole path; a server stands on a line.
    case file(String)
  }

  /// So many servers of one discovery are used at most.
  public static let limit = 256

  public var source: Source
  /// How the servers are reached.
  public var method: ForwardingMethod
  /// What a server weighs for which the source does not say it; nil is 1.
  public var weight: Int32?
  /// How long a server that the source no longer names may keep its connections.
  public var grace: Period

  public static let standardGrace = Period.seconds(300)

  public init(
    _ source: Source, method: ForwardingMethod = .route, weight: Int32? = nil, grace: Period = standardGrace
  ) {
    (self.source, self.method, self.weight, self.grace) = (source, method, weight, grace)
  }
}

extension Discovery: CustomStringConvertible {
  public var description: String {
    switch source {
    case .dns(let lookup): "dns \(lookup.name)"
    case .file(let path): "file \(path)"
    }
  }
}

/// A name in the DNS whose records are servers, asked for again when they are no longer to be believed.
public struct DNSLookup: Hashable, Sendable {
  public enum RecordType: String, Hashable, Sendable, Codable, CaseIterable {
    case a, aaaa
    /// RFC 2782: hosts with ports and weights, of which those of the lowest priority are used.
    case srv
    /// A, AAAA or both: the addresses that the service can have.
    case any
  }

  public static let standardTTLs = Period.seconds(5)...Period.seconds(300)

  /// A whole name: no search list is gone through.
  public var name: String
  public var type: RecordType
  /// The servers' port; nil is the service's. An SRV record says it itself.
  public var port: UInt16?
  /// Who is asked; nil are those in `/etc/resolv.conf`.
  public var resolver: Resolver?
  /// How long an answer is believed at least and at most, whatever its TTL.
  public var ttls: ClosedRange<Period>

  public init(
    _ name: String, type: RecordType = .any, port: UInt16? = nil, resolver: Resolver? = nil,
    ttls: ClosedRange<Period> = standardTTLs
  ) {
    (self.name, self.type, self.port, self.resolver, self.ttls) = (name, type, port, resolver, ttls)
  }
}

/// A DNS server, written `192.0.2.53` or `192.0.2.53:5353`.
public struct Resolver: Hashable, Sendable {
  public static let usualPort: UInt16 = 53

  public var endpoint: Endpoint

  public init(_ endpoint: Endpoint) { self.endpoint = endpoint }
}

extension Resolver: TextCodable {
  public static var kind: String { "an address of a DNS server such as 192.0.2.53 or 192.0.2.53:5353" }

  public init?(_ text: String) {
    guard let endpoint = Endpoint(text) ?? IPAddress(text).map({ Endpoint($0, Self.usualPort) }) else { return nil }
    self.init(endpoint)
  }

  public var description: String {
    endpoint.port == Self.usualPort ? endpoint.address.description : endpoint.description
  }
}

extension Discovery {
  private static let graces = Period.milliseconds(0)...Period.seconds(86_400)
  private static let ttls = Period.seconds(1)...Period.seconds(86_400)

  /// - Throws: `PlaneError` in one line that names the field.
  public func validate(in key: ServiceKey) throws(PlaneError) {
    if let weight, !Weight.range.contains(weight) {
      throw .outOfRange("weight \(weight) is not in \(Weight.range.lowerBound) to \(Weight.range.upperBound)")
    }
    guard Self.graces.contains(grace) else { throw .outOfRange("the grace \(grace) is longer than 24h") }
    switch source {
    case .file(let path):
      guard path.hasPrefix("/"), path.utf8.count < 4096, !path.utf8.contains(0) else {
        throw .invalid("'\(path.prefix(80))' must be a file's whole path")
      }
    case .dns(let lookup): try validate(lookup, in: key)
    }
  }

  private func validate(_ lookup: DNSLookup, in key: ServiceKey) throws(PlaneError) {
    guard lookup.name.isDomainName else {
      throw .invalid("'\(lookup.name.prefix(80))' is not a name to ask the DNS for")
    }
    guard lookup.port != 0, lookup.resolver?.endpoint.port != 0 else {
      throw .outOfRange("port 0 is not in 1 to 65535")
    }
    guard Self.ttls.contains(lookup.ttls.lowerBound), Self.ttls.contains(lookup.ttls.upperBound) else {
      throw .outOfRange(
        "an answer is believed for 1s to 24h, not \(lookup.ttls.lowerBound) to \(lookup.ttls.upperBound)")
    }
    if lookup.type == .srv, lookup.port != nil || weight != nil {
      throw .invalid("an SRV record says port and weight itself")
    }
    guard !families(in: key).isEmpty else {
      throw .invalid("records \(lookup.type.rawValue.uppercased()) have no addresses that servers of \(key) can have")
    }
  }

  /// The families of the addresses that are looked for.
  public func families(in key: ServiceKey) -> [IPAddress.Family] {
    let usable: [IPAddress.Family] = if case .tunnel = method { [.v4, .v6] } else { [key.family] }
    guard case .dns(let lookup) = source else { return usable }
    switch lookup.type {
    case .a: return usable.filter { $0 == .v4 }
    case .aaaa: return usable.filter { $0 == .v6 }
    case .srv, .any: return usable
    }
  }
}
