import Foundation
import LVS

/// What a request that changes things answers.
public struct Applied: Hashable, Sendable, Codable {
  /// How many changes it took.
  public var changes: Int
}

/// Which VIPs a request is about; all where none is named.
public struct NamedVIPs: Hashable, Sendable, Codable {
  public var vips: [IPAddress]
}

/// The value of one setting, as it is put.
public struct Setting: Hashable, Sendable, Codable {
  public var value: String
}

/// The JSON of the API: keys in a fixed order, so that answers can be compared.
enum JSON {
  static func encode(_ value: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(value)
  }

  static func decode<Value: Decodable>(_ type: Value.Type = Value.self, from data: Data) throws -> Value {
    do {
      return try JSONDecoder().decode(type, from: data)
    } catch let error as DecodingError {
      throw ErrorReply.badRequest(error.line)
    }
  }
}
