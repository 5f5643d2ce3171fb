import Foundation
import LVS

/// Whom a command speaks to: a running `lbd` over its socket, or the kernel directly.
public protocol DirectorClient: Sendable {
  /// - Throws: why it is refused, in one line that names the thing and the way out.
  func call<Request, Answer>(_ operation: Operation<Request, Answer>, _ request: Request) async throws -> Answer

  /// Carries each change out by itself, in order.
  ///
  /// - Returns: of each why it was refused; nil where it is in force.
  func attempt(_ changes: [Change]) async throws -> [(any Error)?]

  /// Hands over the connections that match, as they come.
  func connections(
    _ filter: ConnectionFilter, _ receive: ([ConnectionStatus]) async throws -> Void
  ) async throws

  /// The same as JSON, whole lines at a time.
  func connectionLines(_ filter: ConnectionFilter, _ receive: (Data) async throws -> Void) async throws

  /// A client that makes all of its requests over one connection, where it needs one.
  func connected() async throws -> Self
}

extension DirectorClient {
  public func connectionLines(_ filter: ConnectionFilter, _ receive: (Data) async throws -> Void) async throws {
    try await connections(filter) { try await receive(Data(ConnectionStatus.jsonLines($0))) }
  }

  public func connected() async throws -> Self { self }
}

extension DirectorClient {
  public func call<Answer>(_ operation: Operation<Nothing, Answer>) async throws -> Answer {
    try await call(operation, Nothing())
  }

  public func services(_ key: ServiceKey? = nil) async throws -> [ServiceStatus] {
    try await call(API.services, ServiceChoice(key))
  }

  public func service(_ key: ServiceKey) async throws -> ServiceStatus {
    guard let status = try await services(key).first else { throw PlaneError.noSuchService(key) }
    return status
  }

  /// All of the changes, or none.
  public func apply(_ changes: [Change]) async throws { _ = try await call(API.changes, changes) }
}

/// Whatever answers operations: a server's routes, or a table in this process.
protocol OperationTable {
  mutating func answer<Request, Answer>(
    _ operation: Operation<Request, Answer>, by body: @escaping @Sendable (Request) async throws -> Answer)
}

/// Operations that are answered in this process.
public struct LocalOperations: OperationTable, Sendable {
  /// Of what is kept under the name of an operation, the operation knows the type.
  private var bodies: [String: any Sendable] = [:]

  /// As the core answers them.
  public init(of core: ControlCore) { core.answer(&self) }

  public mutating func answer<Request, Answer>(
    _ operation: Operation<Request, Answer>, by body: @escaping @Sendable (Request) async throws -> Answer
  ) {
    bodies[operation.name] = body
  }

  public func call<Request, Answer>(
    _ operation: Operation<Request, Answer>, _ request: Request
  ) async throws -> Answer {
    guard let body = bodies[operation.name] as? @Sendable (Request) async throws -> Answer else {
      preconditionFailure("nobody answers \(operation.name)")
    }
    return try await body(request)
  }
}
