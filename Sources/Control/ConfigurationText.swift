import Foundation
import LVS
import Yams

extension Configuration {
  /// Reads YAML, of which JSON is a part. The result is validated.
  public init(yaml: String) throws {
    let root: Node
    do {
      guard let node = try compose(yaml: yaml), node != Node("") else {
        throw ConfigurationError(
          line: nil, problem: "the configuration is empty: 'services: []' says that there are none")
      }
      root = try Schema.configuration.checked(node)
    } catch let error as YamlError {
      throw ConfigurationError(error)
    }
    do {
      self = try YAMLDecoder().decode(Configuration.self, from: root)
    } catch let error as DecodingError {
      throw ConfigurationError(line: root.line(at: error.context.codingPath), problem: error.line)
    }
    try validateServices(of: root)
    try validate()
  }

  /// A value that cannot be is told with its line, service and server.
  private func validateServices(of root: Node) throws(ConfigurationError) {
    for (index, definition) in services.enumerated() {
      try definition.validate { (part, holds) throws(ConfigurationError) in
        do throws(PlaneError) {
          try holds()
        } catch {
          let (node, name) = Self.find(part, of: definition, at: index, in: root)
          throw ConfigurationError(line: node?.mark?.line, problem: "\(name): \(error)")
        }
      }
    }
  }

  /// Where a part of the service stands, and what it is called.
  private static func find(
    _ part: ServiceDefinition.Part, of definition: ServiceDefinition, at index: Int, in root: Node
  ) -> (Node?, String) {
    let (node, place, key) = (root["services"]?[index], "services[\(index)]", definition.service.key)
    switch part {
    case .whole: return (node, place)
    case .service: return (node, "\(place) (\(key))")
    case .discovery: return (node?["discover"], "\(place).discover (\(key))")
    case .server(let number):
      let endpoint = definition.servers[number].endpoint
      return (node?["servers"]?[number], "\(place).servers[\(number)] (\(endpoint) of \(key))")
    case .check(let type, let server):
      let (owner, name) = find(server.map { .server($0) } ?? .service, of: definition, at: index, in: root)
      let checks = owner?["checks"]?.sequence
      return (checks?.first { $0["type"]?.string == type.rawValue }, "\(name), check \(type.rawValue)")
    }
  }

  /// Reads the YAML file at `path`; `-` is standard input. An error names the file.
  public init(file path: String) throws {
    let name = path == "-" ? "standard input" : path
    guard let handle = path == "-" ? .standardInput : FileHandle(forReadingAtPath: path) else {
      throw ConfigurationError(line: nil, problem: "\(name) cannot be read: \(errorText())")
    }
    let data: Data
    do {
      data = try handle.readToEnd() ?? Data()
    } catch {
      throw ConfigurationError(line: nil, problem: "\(name) cannot be read: is it a file?")
    }
    do {
      try self.init(yaml: String(decoding: data, as: UTF8.self))
    } catch {
      throw ConfigurationError(line: nil, problem: "\(name): \(error)")
    }
  }

  public func yaml() throws -> String {
    try YAMLEncoder().encode(self)
  }
}

/// Which keys may stand where; `Codable` by itself would pass over the ones it does not know.
struct Schema {
  let name: String
  let keys: [String]
  var nested: [String: Schema] = [:]

  static let configuration = Schema(
    name: "the configuration", keys: Configuration.parts,
    nested: ["services": service, "marks": mark, "timeouts": timeouts])
  static let service = Schema(
    name: "a service",
    keys: VirtualService.CodingKeys.allCases.map(\.rawValue) + FarmPolicy.CodingKeys.allCases.map(\.rawValue)
      + ServiceDefinition.CodingKeys.allCases.map(\.rawValue),
    nested: [
      "servers": server, "persistence": persistence, "checks": check, "fallback": fallback, "discover": discovery,
    ])
  static let server = Schema(
    name: "a server",
    keys: RealServer.CodingKeys.allCases.map(\.rawValue) + WatchedServer.CodingKeys.allCases.map(\.rawValue),
    nested: ["checks": check])
  static let fallback = Schema(name: "a fallback server", keys: RealServer.CodingKeys.allCases.map(\.rawValue))
  static let check = Schema(name: "a check", keys: CheckFields.CodingKeys.allCases.map(\.rawValue))
  static let discovery = Schema(name: "a discovery", keys: Discovery.CodingKeys.allCases.map(\.rawValue))
  static let mark = Schema(name: "a mark's rule", keys: MarkRule.CodingKeys.allCases.map(\.rawValue))
  static let timeouts = Schema(name: "timeouts", keys: Timeouts.CodingKeys.allCases.map(\.rawValue))
  static let persistence = Schema(name: "persistence", keys: Persistence.CodingKeys.allCases.map(\.rawValue))

  /// The same with its keys in snake_case: earlier versions wrote some as `onePacket` and `on-failure`.
  func checked(_ node: Node) throws(ConfigurationError) -> Node {
    guard let mapping = node.mapping else {
      throw ConfigurationError(
        line: node.mark?.line, problem: "\(name) is a mapping of \(keys.joined(separator: ", "))")
    }
    var (pairs, seen): ([(Node, Node)], Set<String>) = ([], [])
    for (key, value) in mapping {
      let word = SnakeCase.spelled(key.string ?? "?")
      guard keys.contains(word) else {
        let known = keys.joined(separator: ", ")
        throw ConfigurationError(
          line: key.mark?.line, problem: "unknown key '\(key.string ?? "?")' of \(name) (there are \(known))")
      }
      guard seen.insert(word).inserted else {
        throw ConfigurationError(line: key.mark?.line, problem: "key '\(word)' stands twice")
      }
      let name = Node.scalar(Node.Scalar(word, key.tag, .any, key.mark))
      pairs.append((name, try nested[word]?.checked(each: value) ?? value))
    }
    return .mapping(Node.Mapping(pairs, mapping.tag, mapping.style, mapping.mark))
  }

  /// Of a list each, else the one.
  private func checked(each value: Node) throws(ConfigurationError) -> Node {
    guard let list = value.sequence else { return try checked(value) }
    var items: [Node] = []
    for item in list { items.append(try checked(item)) }
    return .sequence(Node.Sequence(items, list.tag, list.style, list.mark))
  }
}

extension Node {
  /// The line of the innermost part of the path that exists.
  fileprivate func line(at path: [any CodingKey]) -> Int? {
    guard let key = path.first else { return mark?.line }
    let child: Node? =
      if let index = key.intValue { sequence.flatMap { $0.indices.contains(index) ? $0[index] : nil } } else {
        self[key.stringValue]
      }
    return child?.line(at: Array(path.dropFirst())) ?? mark?.line
  }
}

/// Why a configuration cannot be read.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Counted from 1; nil where the text as a whole is meant.
  public var line: Int?
  public var problem: String

  public var description: String { line.map { "line \($0): \(problem)" } ?? problem }
}

extension ConfigurationError {
  fileprivate init(_ error: YamlError) {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      self.init(line: mark.line, problem: "not YAML: \(problem)")
    case .duplicatedKeysInMapping(let keys, let context):
      self.init(line: context.mark.line, problem: "key \(keys.map { "'\($0)'" }.joined(separator: ", ")) stands twice")
    default:
      let text = "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
      self.init(line: nil, problem: "not YAML: \(text)")
    }
  }
}
