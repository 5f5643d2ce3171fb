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

/// A row as a line of JSON, written and read by hand: a table has a million of them, and no field needs an escape.
extension ConnectionStatus {
  public var jsonLine: String {
    "{\"transport\":\"\(transport)\",\"client\":\"\(client)\",\"virtual\":\"\(virtual)\",\"server\":\"\(server)\","
      + "\"state\":\"\(state)\",\"expires\":\(expires),\"isTemplate\":\(isTemplate)}\n"
  }

  /// Reads what `jsonLine` writes; any other JSON takes the decoder's way. The line end is not part of `jsonLine`.
  init(jsonLine: Data) throws {
    let parts = jsonLine.split(separator: UInt8(ascii: "\""), omittingEmptySubsequences: false)
    func text(_ index: Int) -> String { String(decoding: parts[index], as: UTF8.self) }
    guard parts.count == 25, text(1) == "transport", text(21) == "expires", let client = Endpoint(text(7)),
      let virtual = Endpoint(text(11)), let server = Endpoint(text(15)),
      let expires = UInt32(text(22).dropFirst().dropLast())
    else {
      self = try JSON.decode(from: jsonLine)
      return
    }
    self.init(
      transport: text(3), client: client, virtual: virtual, server: server, state: text(19), expires: expires,
      isTemplate: text(24) == ":true}")
  }
}
