import Foundation
import LVS
import NIOCore
import NIOHTTP1

/// The operations of the API, called over the socket.
extension ControlClient: DirectorClient {
  public func call<Request, Answer>(
    _ operation: Operation<Request, Answer>, _ request: Request
  ) async throws -> Answer {
    var answer = Data()
    try await exchange(operation, request) { answer.append(contentsOf: $0.readableBytesView) }
    return try JSON.decode(from: answer)
  }

  public func attempt(_ changes: [Change]) async throws -> [(any Error)?] {
    try await call(API.attempts, changes).map { $0 }
  }

  public func connections(
    _ filter: ConnectionFilter, _ receive: ([ConnectionStatus]) async throws -> Void
  ) async throws {
    try await connectionLines(filter) { try await receive(ConnectionStatus.rows(inLines: Array($0))) }
  }

  /// Hands over the connections that match as JSON, whole lines at a time.
  public func connectionLines(_ filter: ConnectionFilter, _ receive: (Data) async throws -> Void) async throws {
    var rest = Data()
    try await exchange(API.connections.operation, filter) { piece in
      rest.append(contentsOf: piece.readableBytesView)
      guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { return }
      try await receive(rest[...end])
      rest = Data(rest[(end + 1)...])
    }
    if !rest.isEmpty { throw try JSON.decode(ErrorReply.self, from: rest) }
  }

  /// Hands over the bytes of a capture file until the receiver throws or the daemon stops.
  public func capture(filter: String?, _ receive: ([UInt8]) async throws -> Void) async throws {
    try await exchange(API.capture.operation, CaptureChoice(filter: filter), isEndless: true) { piece in
      try await receive(Array(piece.readableBytesView))
    }
  }

  private func exchange<Request, Answer>(
    _ operation: Operation<Request, Answer>, _ request: Request, isEndless: Bool = false,
    _ receive: (ByteBuffer) async throws -> Void
  ) async throws {
    let message = try operation.message(request)
    try await exchange(
      HTTPMethod(rawValue: operation.method.rawValue), "/v1/" + message.path, query: message.query,
      body: message.body, isEndless: isEndless, receive)
  }
}
