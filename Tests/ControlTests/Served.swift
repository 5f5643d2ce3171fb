import Foundation
import LVS
import Logging
import ServiceLifecycle
import Testing

@testable import Control

/// A server of the API over a memory plane, on a socket of its own, and its client.
struct Served {
  let plane: MemoryPlane
  let socket: ControlSocket
  /// The configuration that it was started with.
  var file: String?
  var client: ControlClient { ControlClient(socket) }

  /// Runs `body` while the server runs; the server then stops gracefully.
  @discardableResult
  static func run<Value: Sendable>(
    rows: Int = 0, at socket: ControlSocket? = nil, file: String? = nil, _ body: (Served) async throws -> Value
  ) async throws -> Value {
    let directory = FileManager.default.temporaryDirectory.appending(path: "lbd-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let served = Served(
      plane: MemoryPlane(rows: rows), socket: socket ?? ControlSocket(directory.appending(path: "s").path),
      file: file)
    let group = ServiceGroup(services: [try await served.server()], logger: silent)
    return try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      try await served.waitUntilOpen()
      let value = try await body(served)
      await group.triggerGracefulShutdown()
      try await tasks.waitForAll()
      return value
    }
  }

  static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  func server() async throws -> ControlServer {
    let core = ControlCore(plane, facilities: plane.facilities, logger: Self.silent)
    return ControlServer(
      at: try await socket.claim(), core: core,
      reloading: Reloading(file, core, logger: Self.silent), logger: Self.silent)
  }

  private func waitUntilOpen() async throws {
    while (try? await client.call(API.timeouts)) == nil { try await Task.sleep(for: .milliseconds(5)) }
  }

  func refusal(_ work: (ControlClient) async throws -> Void) async -> ErrorReply? {
    await #expect(throws: ErrorReply.self) { try await work(client) }
  }
}
