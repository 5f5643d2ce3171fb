import Glibc
import LVS
import NIOCore
import NIOPosix

/// The path of the API's Unix socket.
public struct ControlSocket: Hashable, Sendable {
  public static let standardPath = "/run/lbd.sock"

  public let path: String

  public init(_ path: String = standardPath) {
    self.path = path
  }

  /// Takes the path, so that no other lbd serves there. A socket that nobody listens on any more, left by a daemon that
  /// was killed, is replaced when this one binds.
  ///
  /// - Throws: `PlaneError.unavailable` where another daemon has it or answers, or the path is not a socket's.
  public func claim() async throws(PlaneError) -> SocketClaim {
    let lock: FileLock
    do throws(FileLock.Refusal) {
      lock = try FileLock("\(path).lock")
    } catch {
      switch error {
      case .held(let owner): throw another(owner.map { " (pid \($0))" } ?? "")
      case .cannot(EACCES): throw unusable("\(errorText(EACCES)) (run it as root, or see systemd/lbd.service)")
      case .cannot(let code): throw unusable(errorText(code))
      }
    }
    try await refuseAnswering()
    return SocketClaim(socket: self, lock: lock)
  }

  /// Not only an lbd that keeps the lock may answer there.
  private func refuseAnswering() async throws(PlaneError) {
    let channel: any Channel
    do {
      channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .connect(unixDomainSocketPath: path).get()
    } catch let error as IOError where [ENOENT, ECONNREFUSED].contains(error.errnoCode) {
      guard error.errnoCode == ECONNREFUSED, !FilePath(path: path).isSocket else { return }
      throw .unavailable("\(path) exists and is not a socket: remove it, or give another path with --socket")
    } catch {
      throw unusable("\(SocketProblem(error))")
    }
    // How it closes is of no interest: that it opened is the answer.
    channel.close(promise: nil)
    throw another("")
  }

  private func another(_ who: String) -> PlaneError {
    .unavailable("another lbd\(who) answers on \(path): stop it, or give this one its own path with --socket")
  }

  func unusable(_ why: String) -> PlaneError { .unavailable("\(path) cannot be the control socket: \(why)") }
}

/// The right to serve at a path, which no other process has until this is dropped or the process ends.
public final class SocketClaim: Sendable {
  public let socket: ControlSocket
  private let lock: FileLock

  init(socket: ControlSocket, lock: FileLock) {
    (self.socket, self.lock) = (socket, lock)
  }

  /// Gives the path to whoever wants it.
  public func release() { lock.release() }

  func removeSocket() {
    let file = FilePath(path: socket.path)
    if file.isSocket { file.remove() }
  }
}

/// What went wrong with a socket, in words.
struct SocketProblem: CustomStringConvertible {
  let error: any Error

  init(_ error: any Error) { self.error = error }

  var description: String {
    switch error {
    case let error as IOError: errorText(error.errnoCode)
    case is SocketAddressError: "the path is longer than a socket's may be (107 bytes)"
    default: "\(error)"
    }
  }
}
