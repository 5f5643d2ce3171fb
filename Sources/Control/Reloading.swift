import Foundation
import LVS
import Logging

/// Has the configuration file that lbd was started with applied again, by its differences from what there is.
public struct Reloading: Sendable {
  private let file: String?
  private let core: ControlCore
  private let logger: Logger
  private let began: @Sendable () -> Void
  private let ended: @Sendable () -> Void

  /// - Parameters:
  ///   - file: the YAML file, where there is one.
  ///   - began, ended: called around each reload, whatever comes of it.
  public init(
    _ file: String?, _ core: ControlCore, logger: Logger, began: @escaping @Sendable () -> Void = {},
    ended: @escaping @Sendable () -> Void = {}
  ) {
    (self.file, self.core, self.logger) = (file, core, logger)
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
    return try await core.apply(try await Self.read(file)).count
  }

  /// Not on a thread that tasks need: a disk may be slow.
  private static func read(_ file: String) async throws -> Configuration {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread { continuation.resume(with: Result { try Configuration(file: file) }) }
    }
  }
}
