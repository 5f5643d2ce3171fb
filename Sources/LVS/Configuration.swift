/// A desired state as a file says it: what `save` prints and what `restore`, `apply` and `lbd --config` read.
///
/// A file is the whole of it: what does not stand there has its standard, or is not there.
public struct Configuration: Hashable, Sendable {
  public var services: [ServiceDefinition]
  /// The rules that mark packets, in order.
  public var marks: [MarkRule]
  /// Those that are not 0; the others have their standard.
  public var timeouts: Timeouts
  /// By name.
  public var settings: [String: String]

  public init(
    services: [ServiceDefinition] = [], marks: [MarkRule] = [], timeouts: Timeouts = Timeouts(),
    settings: [String: String] = [:]
  ) {
    (self.services, self.marks, self.timeouts, self.settings) = (services, marks, timeouts, settings)
  }

  /// The same without health checks, discoveries and what follows from them, for a plane whose servers nobody watches.
  public var unwatched: Configuration {
    var configuration = self
    configuration.services = services.map { ServiceDefinition($0.service, servers: $0.servers) }
    return configuration
  }

  /// What must hold whatever the plane.
  public func validate() throws(PlaneError) {
    for rule in marks { try rule.validate() }
    try timeouts.validate()
    var seen: Set<ServiceKey> = []
    for definition in services {
      try definition.validate()
      guard seen.insert(definition.service.key).inserted else {
        throw .invalid("service \(definition.service.key) stands twice in the configuration")
      }
    }
  }
}

extension DesiredState {
  /// What has to stand in a file for this state to come of it.
  public var configuration: Configuration {
    var changed = Timeouts()
    let standard = capabilities.timeouts
    if timeouts.tcp != standard.tcp { changed.tcp = timeouts.tcp }
    if timeouts.tcpFin != standard.tcpFin { changed.tcpFin = timeouts.tcpFin }
    if timeouts.udp != standard.udp { changed.udp = timeouts.udp }
    return Configuration(services: services.map(\.asked), marks: marks, timeouts: changed, settings: settings)
  }

  /// The state that the configuration says, whatever there was before.
  public init(_ configuration: Configuration, _ capabilities: Capabilities) throws(PlaneError) {
    self.init(capabilities)
    for step in configuration.steps { try apply(step) }
    try requireCoherence()
  }
}

extension Configuration {
  /// What makes it out of nothing.
  fileprivate var steps: [Change] {
    settings.sorted { $0.key < $1.key }.map { .set($0.key, to: $0.value) } + [.setTimeouts(timeouts), .setMarks(marks)]
      + services.flatMap { definition in
        [.addService(definition.service, force: false)]
          + definition.servers.map { .addServer($0, to: definition.service.key) } + definition.watching
      }
  }
}

extension Configuration: Codable {
  public enum CodingKeys: String, CodingKey, CaseIterable {
    case services, marks, timeouts, settings
  }

  /// The names of its parts in a file.
  public static var parts: [String] { CodingKeys.allCases.map(\.rawValue) }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      services: try values.decode([ServiceDefinition].self, forKey: .services),
      marks: try values.decodeIfPresent([MarkRule].self, forKey: .marks) ?? [],
      timeouts: try values.decodeIfPresent(Timeouts.self, forKey: .timeouts) ?? Timeouts(),
      settings: try values.decodeIfPresent([String: SettingValue].self, forKey: .settings)?.mapValues(\.text) ?? [:])
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(services, forKey: .services)
    if !marks.isEmpty { try values.encode(marks, forKey: .marks) }
    if timeouts != Timeouts() { try values.encode(timeouts, forKey: .timeouts) }
    guard !settings.isEmpty else { return }
    // In the order of their names, so that the same state gives the same file.
    var named = values.nestedContainer(keyedBy: SettingName.self, forKey: .settings)
    for (name, text) in settings.sorted(by: { $0.key < $1.key }) {
      try named.encode(SettingValue(text), forKey: SettingName(stringValue: name))
    }
  }
}

/// A setting's name as a key.
private struct SettingName: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }

  init(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}
