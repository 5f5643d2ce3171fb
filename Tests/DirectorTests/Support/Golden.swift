import Foundation
import Testing

/// The recorded answers of a real kernel.
enum Golden {
  /// The recording that comes with the tests or, in the folder `LVS_RECORDED`, one that a script has just made.
  static func decode<Value: Decodable>(_ name: String, as type: Value.Type = Value.self) throws -> Value {
    let kept = Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Golden")
    let made = ProcessInfo.processInfo.environment["LVS_RECORDED"].map { "\($0)/\(name).json" }
    if let made, FileManager.default.fileExists(atPath: made) {
      return try JSONDecoder().decode(Value.self, from: Data(contentsOf: URL(fileURLWithPath: made)))
    }
    return try JSONDecoder().decode(Value.self, from: Data(contentsOf: #require(kept)))
  }
}
