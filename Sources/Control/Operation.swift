import Foundation
import LVS

/// One operation of the API: where it is asked for over HTTP, and what goes there and comes back.
///
/// It is declared once, in `API`. A server answers it, a client calls it, and neither says it again.
public struct Operation<Request: Codable & Sendable, Answer: Codable & Sendable>: Sendable {
  public enum Method: String, Sendable {
    case get = "GET"
    case put = "PUT"
    case post = "POST"
    case delete = "DELETE"
  }

  /// Where the request stands. In a query, and where the path has fields of it, all of them are text or numbers.
  enum Place: Sendable {
    case query, body
  }

  public let method: Method
  /// Below `/v1/`. A part that begins with a colon is a field of the request.
  public let path: String
  /// What it does, in one sentence.
  let meaning: String
  let asks: Shape
  let answers: Shape
  private let place: Place
  /// How a body is read.
  private let read: @Sendable (Data) throws -> Request

  init(
    _ method: Method, _ path: String, in place: Place, _ meaning: String,
    read: @escaping @Sendable (Data) throws -> Request = { try JSON.decode(from: $0) }
  ) where Request: Shaped, Answer: Shaped {
    (self.method, self.path, self.meaning, self.place, self.read) = (method, path, meaning, place, read)
    (asks, answers) = (Request.shape, Answer.shape)
  }

  /// What tells it from all others.
  var name: String { "\(method.rawValue) \(path)" }

  /// A request on its way.
  struct Message {
    var path: String
    var query: [String: String] = [:]
    var body = Data()
  }

  func message(_ request: Request) throws -> Message {
    guard place == .query || !fieldsOfPath.isEmpty else { return Message(path: path, body: try JSON.encode(request)) }
    let values: [String: SettingValue] = try JSON.decode(from: JSON.encode(request))
    var fields = values.mapValues(\.text)
    var message = Message(path: path)
    for field in fieldsOfPath {
      let value = fields.removeValue(forKey: field) ?? ""
      let escaped = value.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(["_", "-"])) ?? value
      message.path = message.path.replacing(":\(field)", with: escaped)
    }
    if place == .query { message.query = fields } else { message.body = try JSON.encode(fields) }
    return message
  }

  /// Reads a request.
  ///
  /// - Parameters:
  ///   - fields: of the path, and where the request stands in a query, of that.
  func request(_ fields: [String: String], _ body: () async throws -> Data) async throws -> Request {
    if place == .query { return try JSON.decode(from: JSON.encode(fields)) }
    guard !fieldsOfPath.isEmpty else { return try read(await body()) }
    let known: [String: SettingValue] = try JSON.decode(from: await body())
    return try JSON.decode(from: JSON.encode(known.mapValues(\.text).merging(fields) { _, path in path }))
  }

  var isInQuery: Bool { place == .query }

  var fieldsOfPath: [String] { path.split(separator: "/").filter { $0.hasPrefix(":") }.map { String($0.dropFirst()) } }
}

extension Operation where Request == Nothing {
  init(_ method: Method, _ path: String, _ meaning: String) where Answer: Shaped {
    self.init(method, path, in: .query, meaning)
  }
}

/// An operation whose answer comes as bytes, piece by piece.
public struct StreamOperation<Request: Codable & Sendable>: Sendable {
  let operation: Operation<Request, Nothing>
  /// The media type.
  let type: String
  /// What a line of it is; nil where it has none.
  let line: Shape?

  init(_ path: String, _ meaning: String, _ type: String, line: Shape? = nil) where Request: Shaped {
    operation = Operation(.get, path, in: .query, meaning)
    (self.type, self.line) = (type, line)
  }
}

/// What there is to say where there is nothing.
public struct Nothing: Hashable, Sendable, Codable {
  public init() {}
}
