import LVS

/// The desired state: what `save` prints and what `restore`, `apply` and `lbd --config` read.
public struct Configuration: Hashable, Sendable, Codable {
  public var services: [ServiceDefinition]
  /// The rules that mark packets, in order; only this program's own data plane has them.
  public var marks: [MarkRule]

  public init(services: [ServiceDefinition] = [], marks: [MarkRule] = []) {
    (self.services, self.marks) = (services, marks)
  }

  private enum CodingKeys: String, CodingKey {
    case services, marks
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    services = try container.decode([ServiceDefinition].self, forKey: .services)
    marks = try container.decodeIfPresent([MarkRule].self, forKey: .marks) ?? []
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(services, forKey: .services)
    if !marks.isEmpty { try container.encode(marks, forKey: .marks) }
  }

  public func validate() throws(PlaneError) {
    for rule in marks { try rule.validate() }
    var seen: Set<ServiceKey> = []
    for definition in services {
      try definition.validate()
      guard seen.insert(definition.service.key).inserted else {
        throw .invalid("service \(definition.service.key) stands twice in the configuration")
      }
    }
  }
}

/// Why a configuration cannot be read.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Counted from 1; nil where the text as a whole is meant.
  public var line: Int?
  public var problem: String

  public var description: String { line.map { "line \($0): \(problem)" } ?? problem }
}
