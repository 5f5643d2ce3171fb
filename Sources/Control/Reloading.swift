import Foundation
import Hummingbird
import LVS
import Logging

/// Has the configuration file that lbd was started with applied again, by its differences from what there is.
public struct Reloading: Sendable {
  private let file: String?
  private let controller: Controller
  private let logger: Logger
  private let began: @Sendable () -> Void
  private let ended: @Sendable () -> Void

  /// - Parameters:
  ///   - file: the YAML file, where there is one.
  ///   - began, ended: called around each reload, whatever comes of it.
  public init(
    _ file: String?, _ controller: Controller, logger: Logger, began: @escaping @Sendable () -> Void = {},
    ended: @escaping @Sendable () -> Void = {}
  ) {
    (self.file, self.controller, self.logger) = (file, controller, logger)
    (self.began, self.ended) = (began, ended)
  }

  /// A file that is wrong changes nothing. What came of it stands in the log too.
  ///
  /// - Returns: how many changes it took.
  /// - Throws: `PlaneError.unavailable` where there is no file, `ConfigurationError` where it is wrong.
  @discardableResult
  public func reload() async throws -> Int {
    began()
    defer { ended() }
    do {
      let changes = try await apply()
      logger.info("reloaded", metadata: ["changes": "\(changes)"])
      return changes
    } catch {
      logger.warning("not reloaded", metadata: ["reason": "\(error)"])
      throw error
    }
  }

  private func apply() async throws -> Int {
    guard let file else { throw PlaneError.unavailable("there is nothing to reload: lbd was started without --config") }
    return try await controller.reconcile(to: try await Self.read(file)).count
  }

  /// Not on a thread that tasks need: a disk may be slow.
  private static func read(_ file: String) async throws -> Configuration {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread { continuation.resume(with: Result { try Configuration(file: file) }) }
    }
  }
}

extension Router<StreamContext> {
  /// `POST /v1/reload`
  func addReload(_ reloading: Reloading) {
    post("v1/reload") { _, _ in try Response.json(Applied(changes: await reloading.reload())) }
  }
}

extension ControlClient {
  /// - Returns: how many changes it took.
  public func reload() async throws -> Int {
    var answer = Data()
    try await exchange(.POST, "/v1/reload") { answer.append(contentsOf: $0.readableBytesView) }
    return try JSON.decode(Applied.self, from: answer).changes
  }
}
