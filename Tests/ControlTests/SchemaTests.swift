import Foundation
import Testing

@testable import Control

/// An object of the JSON Schema.
private struct SchemaObject: Decodable {
  let properties: [String: SchemaProperty]
  let additionalProperties: Bool
}

private struct SchemaProperty: Decodable {
  struct Items: Decodable {
    let reference: String?

    enum CodingKeys: String, CodingKey {
      case reference = "$ref"
    }
  }

  let reference: String?
  let items: Items?

  enum CodingKeys: String, CodingKey {
    case reference = "$ref"
    case items
  }
}

private struct SchemaFile: Decodable {
  let definitions: [String: SchemaObject]

  enum CodingKeys: String, CodingKey {
    case definitions = "$defs"
  }
}

@Suite("The JSON Schema of the configuration")
struct SchemaTests {
  private static let data = Result {
    let project = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
    return try Data(contentsOf: project.appending(path: "docs/lbd.schema.json"))
  }

  @Test("Wherever keys may stand it has those that are read, and no others")
  func keys() throws {
    let definitions = try JSONDecoder().decode(SchemaFile.self, from: Self.data.get()).definitions
    struct Root: Decodable { let properties: [String: SchemaProperty] }
    let root = try JSONDecoder().decode(Root.self, from: Self.data.get()).properties
    var compared = 0
    func compare(_ schema: Schema, _ properties: [String: SchemaProperty]) throws {
      compared += 1
      #expect(Set(schema.keys) == Set(properties.keys), "\(schema.name)")
      for (key, nested) in schema.nested {
        let property = try #require(properties[key])
        let reference = try #require(property.reference ?? property.items?.reference, "\(key) of \(schema.name)")
        let object = try #require(definitions[String(reference.dropFirst("#/$defs/".count))])
        #expect(!object.additionalProperties)
        try compare(nested, object.properties)
      }
    }
    try compare(.configuration, root)
    #expect(compared > 8)
  }
}
