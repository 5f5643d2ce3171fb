import Foundation
import LVS
import Logging
import ServiceLifecycle
import Synchronization

/// Waits for an lbd that is to take over (`lbd --replace`) on a socket beside the control socket. It is for the owner only,
/// and ends the daemon when one has asked rightly; `complete` then gives that one what is to go on.
public final class HandoverServer: Service {
  /// Milliseconds that somebody who asks may take to say what for.
  private static let patience: Int32 = 1_000

  private let path: String
  private let lock: InterfaceLock
  private let logger: Logger
  private let listener: HandoverSocket
  private let successor = Mutex<HandoverSocket?>(nil)

  /// Opens the socket. Who asks is answered as soon as this runs.
  ///
  /// - Parameters:
  ///   - control: the control socket. Whoever owns that owns this.
  ///   - lock: the place that could be taken over.
  public init(beside control: ControlSocket, _ lock: InterfaceLock, _ logger: Logger) throws(PlaneError) {
    (path, self.lock, self.logger) = (control.handover.path, lock, logger)
    let ownerOnly = OwnerOnly()
    defer { ownerOnly.end() }
    do throws(SystemCallFailure) {
      listener = try .listening(at: path)
    } catch {
      throw .unavailable("\(path) cannot be the socket of --replace: \(errorText(error.code))")
    }
  }

  /// Whether the daemon ends because another one takes over.
  public var isGranted: Bool { successor.withLock { $0 != nil } }

  /// Returns at a graceful shutdown, or when another lbd takes over. The socket is gone by then.
  public func run() async throws {
    await withTaskCancellationHandler {
      await withGracefulShutdownHandler {
        await withCheckedContinuation { continuation in
          Thread.detachNewThread {
            self.listen()
            continuation.resume()
          }
        }
      } onGracefulShutdown: {
        self.listener.end()
      }
    } onCancel: {
      self.listener.end()
    }
    FilePath(path: path).remove()
  }

  /// Answers one after the other, until one takes over.
  private func listen() {
    while let asker = listener.accept() {
      // Who says nothing, or what is no request, is not there to take over.
      guard let request = asker.receive(within: Self.patience).flatMap({ HandoverRequest($0.text) }) else { continue }
      let refusal = request.refusal(of: lock.interface, lock.vlan)
      let answer = refusal.map { HandoverAnswer.refused($0) } ?? .granted
      // Who has gone meanwhile takes nothing over.
      guard (try? asker.send(answer.text)) != nil else { continue }
      guard let refusal else {
        logger.notice("another lbd takes over")
        return successor.withLock { $0 = asker }
      }
      logger.warning("another lbd may not take over: \(refusal)")
    }
  }

  /// Hands over, after everything has ended: locks are free, and nothing is done any more.
  ///
  /// - Parameters:
  ///   - kept: descriptors by their names; copies of them go.
  ///   - loss: what does not go on, in one line.
  public func complete(_ kept: [String: Int32], loss: String?) {
    guard let successor = successor.withLock({ $0.take() }) else { return }
    do throws(SystemCallFailure) {
      var rest = kept.sorted { $0.key < $1.key }[...]
      while !rest.isEmpty {
        let part = rest.prefix(Self.portion)
        try successor.send(HandoverAnswer.descriptors(part.map(\.key)).text, part.map(\.value))
        rest = rest.dropFirst(Self.portion)
      }
      try successor.send(HandoverAnswer.over(loss).text)
    } catch {
      logger.error("nothing is handed over: \(errorText(error.code))")
    }
  }

  /// Descriptors that one message carries.
  private static let portion = 60
}

extension ControlSocket {
  /// Where another lbd asks for the place: `/run/lbd.handover.sock` for `/run/lbd.sock`.
  var handover: ControlSocket { beside("handover") }
}
