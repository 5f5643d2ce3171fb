import LVS

/// The API as an OpenAPI 3.1 document, made of the operations as they are declared and of the types that they speak of.
struct APIDocument: OperationTable {
  private var paths: [String: JSONValue] = [:]
  private var schemas: [String: JSONValue] = [:]

  mutating func answer<Request, Answer>(
    _ operation: Operation<Request, Answer>, by body: @escaping @Sendable (Request) async throws -> Answer
  ) {
    add(operation, content: ["application/json": ["schema": schema(operation.answers)]])
  }

  /// A stream: lines of JSON of a shape, or bytes of a type of their own.
  mutating func add<Request>(_ stream: StreamOperation<Request>) {
    let line: JSONValue = stream.line.map { ["schema": schema($0)] } ?? [:]
    add(stream.operation, content: .object([stream.type: line]))
  }

  /// The metrics, which are beside the API's version.
  mutating func addMetrics() {
    let answer: JSONValue = [
      "description": "The Prometheus text format.",
      "content": .object([MetricsText.contentType: ["schema": ["type": "string"]]]),
    ]
    paths["/metrics"] = ["get": ["summary": "All counters for Prometheus.", "responses": ["200": answer]]]
  }

  private mutating func add<Request, Answer>(_ operation: Operation<Request, Answer>, content: JSONValue) {
    var entry: JSONValue = [
      "summary": .text(operation.meaning),
      "responses": [
        "200": ["description": "It is done, or the answer.", "content": content],
        "default": [
          "description": "It is refused.", "content": ["application/json": ["schema": schema(ErrorReply.shape)]],
        ],
      ],
    ]
    let fields = operation.asks.fields
    let inPath = operation.fieldsOfPath
    let parameters = fields.filter { operation.isInQuery || inPath.contains($0.name) }.map { field -> JSONValue in
      [
        "name": .text(field.name), "in": inPath.contains(field.name) ? "path" : "query",
        "required": .boolean(inPath.contains(field.name)), "description": .text(field.meaning),
        "schema": schema(field.shape),
      ]
    }
    if !parameters.isEmpty { entry["parameters"] = .list(parameters) }
    if !operation.isInQuery {
      let rest = fields.filter { !inPath.contains($0.name) }
      let body = inPath.isEmpty ? schema(operation.asks) : object(rest, "")
      entry["requestBody"] = ["required": true, "content": ["application/json": ["schema": body]]]
    }
    let path =
      "/v1/"
      + operation.path.split(separator: "/").map { part in
        part.hasPrefix(":") ? "{\(part.dropFirst())}" : String(part)
      }.joined(separator: "/")
    paths[path, default: [:]][operation.method.rawValue.lowercased()] = entry
  }

  private mutating func schema(_ shape: Shape) -> JSONValue {
    switch shape {
    case .any: [:]
    case .text(""): ["type": "string"]
    case .text(let kind): ["type": "string", "description": .text(kind)]
    case .word(let words): ["type": "string", "enum": .list(words.map { .text($0) })]
    case .boolean: ["type": "boolean"]
    case .number: ["type": "number"]
    case .integer(let range):
      range.upperBound == .max
        ? ["type": "integer", "minimum": .integer(range.lowerBound)]
        : ["type": "integer", "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound)]
    case .numberOrText: ["type": ["integer", "string"]]
    case .list(let item): ["type": "array", "items": schema(item)]
    case .table(let value): ["type": "object", "additionalProperties": schema(value)]
    case .orNull(let value): ["oneOf": [schema(value), ["type": "null"]]]
    case .oneOf(let fields): choice(of: fields)
    case .object(let fields): object(fields, "")
    case .either(let shapes): ["oneOf": .list(shapes.map { schema($0) })]
    case .resource(let type): reference(to: type)
    }
  }

  private mutating func reference(to type: any Described.Type) -> JSONValue {
    let name = "\(type)"
    if schemas[name] == nil {
      // It may speak of itself.
      schemas[name] = [:]
      schemas[name] = object(type.fields, type.meaning)
    }
    return ["$ref": .text("#/components/schemas/\(name)")]
  }

  private mutating func object(_ fields: [Field], _ meaning: String) -> JSONValue {
    var object: JSONValue = [
      "type": "object", "properties": properties(fields), "additionalProperties": false,
      "required": .list(fields.filter { !$0.isOptional }.map { .text($0.name) }),
    ]
    if !meaning.isEmpty { object["description"] = .text(meaning) }
    return object
  }

  private mutating func choice(of fields: [Field]) -> JSONValue {
    [
      "type": "object", "properties": properties(fields), "additionalProperties": false, "minProperties": 1,
      "maxProperties": 1,
    ]
  }

  private mutating func properties(_ fields: [Field]) -> JSONValue {
    var properties: [String: JSONValue] = [:]
    for field in fields {
      var schema = schema(field.shape)
      schema["description"] = .text(field.meaning)
      properties[field.name] = schema
    }
    return .object(properties)
  }

  /// The whole.
  var json: JSONValue {
    [
      "openapi": "3.1.0",
      "info": [
        "title": "lbd", "version": "1",
        "description": "How lbd is steered and watched. Times are in seconds, sizes in bytes.",
      ],
      "paths": .object(paths), "components": ["schemas": .object(schemas)],
    ]
  }
}

extension Shape {
  /// Of an object.
  fileprivate var fields: [Field] { if case .resource(let type) = self { type.fields } else { [] } }
}
