/// What a data plane can do: what a desired state may ask of it, and what else it has.
public struct Capabilities: Hashable, Sendable, Codable {
  public enum Plane: String, Hashable, Sendable, Codable, CaseIterable {
    /// This program's own.
    case userspace
    /// The kernel's IPVS.
    case kernel
  }

  /// What one plane has and another has not, as `lbctl capabilities` names it.
  public enum Feature: String, Hashable, Sendable, Codable, CaseIterable {
    /// Rules that mark packets.
    case marks
    /// Real servers at a fixed Ethernet address.
    case macs
    /// Real servers that are the director itself.
    case localServers = "local_servers"
    /// A listing of the VIPs and who has them.
    case vips
    /// VIPs that are taken and given up by command.
    case takeover
    /// Real servers that the director finds itself.
    case neighbors
    case workers
    /// A count of what became of each frame.
    case verdicts
    /// A look for what breaks direct routing.
    case doctor
    /// A copy of the frames that are handled.
    case capture
    /// Health checks of real servers.
    case checks
    /// Health checks whose packets go to the VIP at one server.
    case vipChecks = "vip_checks"
    /// Real servers that are learned of by name or from a file.
    case discovery
    /// Connections that directors tell each other of.
    case sync
  }

  public var plane: Plane
  /// The forwarding methods that servers may have, in ipvsadm's order: `route`, `tunnel`, `masquerade`.
  public var methods: [ForwardingMethod.Kind]
  public var features: Set<Feature>
  public var settings: [SettingRule]
  /// The timeouts that connections have where nobody set any.
  public var timeouts: Timeouts

  public init(
    _ plane: Plane, methods: [ForwardingMethod.Kind], features: Set<Feature>, settings: [SettingRule] = [],
    timeouts: Timeouts = .standard
  ) {
    self.plane = plane
    self.methods = methods
    self.features = features
    self.settings = settings
    self.timeouts = timeouts
  }

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case plane, methods, features, settings, timeouts
  }

  /// What it can do stands in the order of the names.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(plane, forKey: .plane)
    try values.encode(methods, forKey: .methods)
    try values.encode(features.sorted { $0.rawValue < $1.rawValue }, forKey: .features)
    try values.encode(settings, forKey: .settings)
    try values.encode(timeouts, forKey: .timeouts)
  }
}

/// Where a plane's lack refuses something: here and nowhere else, in one kind of line.
extension Capabilities {
  /// - Throws: `PlaneError.notSupported` where the plane does not have it.
  public func require(_ feature: Feature) throws(PlaneError) {
    guard features.contains(feature) else { throw lack(of: feature) }
  }

  /// The refusal of what the plane does not have.
  public func lack(of feature: Feature) -> PlaneError { lacks("has no \(feature.words)") }

  /// - Throws: `PlaneError.notSupported` where the plane does not forward to such a server.
  func require(_ server: RealServer) throws(PlaneError) {
    guard methods.contains(server.method.kind) else {
      let known = methods.map(\.letter).joined(separator: ", ")
      throw lacks("forwards by \(known) and not by \(server.method.kind.letter), as \(server.endpoint) asks for")
    }
    if server.mac != nil { try require(.macs) }
  }

  /// The rule of a setting.
  func setting(_ name: String) throws(PlaneError) -> SettingRule {
    guard let rule = settings.first(where: { $0.name == name }) else {
      throw .invalid("no setting '\(name)' (there are \(settings.map(\.name).sorted().joined(separator: ", ")))")
    }
    return rule
  }

  private func lacks(_ what: String) -> PlaneError {
    .notSupported("the \(plane.rawValue) data plane \(what) (lbctl capabilities shows what it can do)")
  }
}

extension Capabilities.Feature {
  fileprivate var words: String {
    switch self {
    case .marks: "rules that mark packets"
    case .macs: "real servers at a fixed Ethernet address (--mac)"
    case .localServers: "real servers on the director itself"
    case .vips: "listing of VIPs"
    case .takeover: "VIPs to take over or release by command"
    case .neighbors: "neighbors to show"
    case .workers: "workers to show"
    case .verdicts: "verdicts to show"
    case .doctor: "doctor"
    case .capture: "frames to capture"
    case .checks: "health checks"
    case .vipChecks: "way to ask for a VIP at one server (use --via rip)"
    case .discovery: "discovery of real servers"
    case .sync: "sync daemons of its own"
    }
  }
}

/// A setting that a plane has, named as the kernel's `net.ipv4.vs` sysctls are, and what it may be.
public struct SettingRule: Hashable, Sendable {
  public enum Values: Hashable, Sendable {
    case range(ClosedRange<UInt32>)
    case choice([UInt32])
    case words([String])
    /// What the kernel takes.
    case any
  }

  public var name: String
  public var values: Values
  /// What it is where nobody set it.
  public var standard: String

  public init(_ name: String, _ values: Values, standard: String) {
    (self.name, self.values, self.standard) = (name, values, standard)
  }

  /// The value in the one way to write it.
  ///
  /// - Throws: `PlaneError.outOfRange` where the setting cannot be that.
  public func checked(_ text: String) throws(PlaneError) -> String {
    switch values {
    case .any: return text
    case .range(let range):
      guard let number = UInt32(text), range.contains(number) else {
        throw .outOfRange("\(name) takes \(range.lowerBound) to \(range.upperBound), not '\(text)'")
      }
      return String(number)
    case .choice(let choice):
      guard let number = UInt32(text), choice.contains(number) else {
        throw .outOfRange("\(name) takes one of \(choice.map(String.init).joined(separator: ", ")), not '\(text)'")
      }
      return String(number)
    case .words(let words):
      guard words.contains(text) else {
        throw .outOfRange("\(name) takes \(words.joined(separator: " or ")), not '\(text)'")
      }
      return text
    }
  }
}

/// A range travels as `minimum` and `maximum`, a choice as `choices`; what the kernel takes has neither.
extension SettingRule: Codable {
  public enum CodingKeys: String, CodingKey, CaseIterable {
    case name, minimum, maximum, choices, standard
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    name = try values.decode(String.self, forKey: .name)
    standard = try values.decode(SettingValue.self, forKey: .standard).text
    let lowest = try values.decodeIfPresent(UInt32.self, forKey: .minimum)
    if let lowest, let highest = try values.decodeIfPresent(UInt32.self, forKey: .maximum), lowest <= highest {
      self.values = .range(lowest...highest)
    } else {
      let choices = try values.decodeIfPresent([SettingValue].self, forKey: .choices)
      let numbers = choices?.compactMap { UInt32($0.text) }
      self.values = choices.map { $0.count == numbers?.count ? .choice(numbers ?? []) : .words($0.map(\.text)) } ?? .any
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(name, forKey: .name)
    try fields.encode(SettingValue(standard), forKey: .standard)
    switch values {
    case .any: break
    case .choice(let choice): try fields.encode(choice, forKey: .choices)
    case .words(let words): try fields.encode(words, forKey: .choices)
    case .range(let range):
      try fields.encode(range.lowerBound, forKey: .minimum)
      try fields.encode(range.upperBound, forKey: .maximum)
    }
  }
}
