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

  /// Makes sure that nobody serves there. A socket that nobody listens on any more, left by a daemon that was killed,
  /// is replaced when the next one binds.
  ///
  /// - Throws: `PlaneError.unavailable` where another daemon answers, or the path is not a socket's.
  public func claim() async throws(PlaneError) {
    let channel: any Channel
    do {
      channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .connect(unixDomainSocketPath: path).get()
    } catch let error as IOError where [ENOENT, ECONNREFUSED].contains(error.errnoCode) {
      guard error.errnoCode == ECONNREFUSED, !FilePath(path: path).isSocket else { return }
      throw .unavailable("\(path) exists and is not a socket: remove it, or give another path with --socket")
    } catch {
      throw .unavailable("\(path) cannot be the control socket: \(SocketProblem(error))")
    }
    _ = try? await channel.close().get()
    throw .unavailable("another lbd answers on \(path): stop it, or give this one its own path with --socket")
  }

  func remove() {
    let file = FilePath(path: path)
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
