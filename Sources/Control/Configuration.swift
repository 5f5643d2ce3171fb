import LVS

/// The desired state: what `save` prints and what `restore`, `apply` and `lbd --config` read.
public struct Configuration: Hashable, Sendable, Codable {
  public var services: [ServiceDefinition]

  public init(services: [ServiceDefinition] = []) {
    self.services = services
  }

  public func validate() throws(PlaneError) {
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
