import Foundation
import Testing

/// The recorded answers of a real kernel.
enum Golden {
  static func decode<Value: Decodable>(_ name: String, as type: Value.Type = Value.self) throws -> Value {
    let url = try #require(Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Golden"))
    return try JSONDecoder().decode(Value.self, from: Data(contentsOf: url))
  }
}
