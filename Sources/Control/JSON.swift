import Foundation
import LVS

/// The one way in which JSON is written and read here.
///
/// Keys are the coding keys as they stand, which are snake_case, in a fixed order, so that answers can be compared. Read
/// are they in any spelling: earlier versions wrote `onePacket` and `on-failure`.
public enum JSON {
  public static func encode(_ value: some Encodable, isPretty: Bool = false) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if isPretty { encoder.outputFormatting.insert(.prettyPrinted) }
    return try encoder.encode(value)
  }

  static func decode<Value: Decodable>(_ type: Value.Type = Value.self, from data: Data) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .custom { path in SnakeCase(path[path.count - 1]) }
    do {
      return try decoder.decode(type, from: data)
    } catch let error as DecodingError {
      throw ErrorReply.badRequest(error.line)
    }
  }
}

/// A key in snake_case, however it was spelled: `onePacket`, `on-failure`, `resolvedMAC`.
struct SnakeCase: CodingKey {
  let stringValue: String
  let intValue: Int?

  init(_ key: any CodingKey) { (stringValue, intValue) = (Self.spelled(key.stringValue), key.intValue) }
  init(stringValue: String) { (self.stringValue, intValue) = (Self.spelled(stringValue), nil) }
  init?(intValue: Int) { (stringValue, self.intValue) = (String(intValue), intValue) }

  static func spelled(_ word: String) -> String {
    var spelled = ""
    var followsCapital = true
    for letter in word {
      if letter.isUppercase, !followsCapital { spelled.append("_") }
      spelled += letter == "-" ? "_" : letter.lowercased()
      followsCapital = letter.isUppercase || letter == "-" || letter == "_"
    }
    return spelled
  }
}
