/// A discovery travels flat, without what has its standard:
///
///     dns: web.example.lan
///     type: srv
///     max_ttl: 60s
extension Discovery: Codable {
  public enum CodingKeys: String, CodingKey, CaseIterable {
    case dns, type, port, resolver
    case minTTL = "min_ttl"
    case maxTTL = "max_ttl"
    case file, method, weight, grace
  }

  /// What belongs to names alone.
  private static let ofNames: [CodingKeys] = [.type, .port, .resolver, .minTTL, .maxTTL]

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let lookup = try values.contains(.dns) ? DNSLookup(values) : nil
    let file = try values.decodeIfPresent(String.self, forKey: .file)
    switch (lookup, file) {
    case (let lookup?, nil): self.init(.dns(lookup))
    case (nil, let file?):
      self.init(.file(file))
      if let stray = Self.ofNames.first(where: values.contains) {
        throw values.fault(stray, "'\(stray.rawValue)' is for dns, and this is file")
      }
    case (nil, nil): throw values.fault(.dns, "'dns' or 'file' is missing")
    case (.some, .some): throw values.fault(.file, "servers are discovered by dns or by file, not by both")
    }
    method = try values.decodeIfPresent(ForwardingMethod.self, forKey: .method) ?? .route
    weight = try values.decodeIfPresent(Int32.self, forKey: .weight)
    grace = try values.decodeIfPresent(Period.self, forKey: .grace) ?? Self.standardGrace
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    switch source {
    case .file(let path): try values.encode(path, forKey: .file)
    case .dns(let lookup): try lookup.encode(to: &values)
    }
    if method != .route { try values.encode(method, forKey: .method) }
    try values.encodeIfPresent(weight, forKey: .weight)
    if grace != Self.standardGrace { try values.encode(grace, forKey: .grace) }
  }
}

extension DNSLookup {
  fileprivate typealias Keys = Discovery.CodingKeys

  fileprivate init(_ values: KeyedDecodingContainer<Keys>) throws {
    let standard = Self.standardTTLs
    let shortest = try values.decodeIfPresent(Period.self, forKey: .minTTL)
    let longest = try values.decodeIfPresent(Period.self, forKey: .maxTTL)
    guard let ttls = Self.ttls(shortest, longest) else {
      throw values.fault(
        .minTTL, "'min_ttl' \(shortest ?? standard.lowerBound) is above 'max_ttl' \(longest ?? standard.upperBound)")
    }
    self.init(
      try values.decode(String.self, forKey: .dns),
      type: try values.decodeIfPresent(RecordType.self, forKey: .type) ?? .any,
      port: try values.decodeIfPresent(UInt16.self, forKey: .port),
      resolver: try values.decodeIfPresent(Resolver.self, forKey: .resolver), ttls: ttls)
  }

  /// Of what was said; nil where the one is above the other.
  public static func ttls(_ shortest: Period?, _ longest: Period?) -> ClosedRange<Period>? {
    let standard = Self.standardTTLs
    let low = shortest ?? min(standard.lowerBound, longest ?? standard.lowerBound)
    let high = longest ?? max(standard.upperBound, low)
    return low <= high ? low...high : nil
  }

  fileprivate func encode(to values: inout KeyedEncodingContainer<Keys>) throws {
    try values.encode(name, forKey: .dns)
    if type != .any { try values.encode(type, forKey: .type) }
    try values.encodeIfPresent(port, forKey: .port)
    try values.encodeIfPresent(resolver, forKey: .resolver)
    // What the other says by itself is left out.
    if ttls.lowerBound != Self.ttls(nil, ttls.upperBound)?.lowerBound {
      try values.encode(ttls.lowerBound, forKey: .minTTL)
    }
    if ttls.upperBound != Self.ttls(ttls.lowerBound, nil)?.upperBound {
      try values.encode(ttls.upperBound, forKey: .maxTTL)
    }
  }
}

extension KeyedDecodingContainer {
  fileprivate func fault(_ key: Key, _ problem: String) -> DecodingError {
    .dataCorruptedError(forKey: key, in: self, debugDescription: problem)
  }
}
