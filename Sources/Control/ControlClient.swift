import Foundation
import Glibc
import LVS
import NIOCore
import NIOHTTP1
import NIOPosix

/// Speaks the API: one connection for each request.
public struct ControlClient: Sendable {
  public let socket: ControlSocket

  public init(_ socket: ControlSocket = ControlSocket()) {
    self.socket = socket
  }

  /// Sends a request and hands the body of its answer over piece by piece.
  ///
  /// - Throws: `ErrorReply` where the daemon refuses, nobody answers, or the answer breaks off.
  func exchange(
    _ method: HTTPMethod, _ path: String, query: [String: String?] = [:], body: Data = Data(),
    _ receive: (ByteBuffer) async throws -> Void
  ) async throws {
    let head = HTTPRequestHead(
      version: .http1_1, method: method, uri: path + Self.text(query),
      headers: ["host": "localhost", "connection": "close", "content-length": "\(body.count)"])
    let connection = try await connect()
    do {
      try await connection.executeThenClose { inbound, outbound in
        // At once: the daemon may have answered and closed as soon as it knows the length to be 0.
        try await outbound.write(contentsOf: [.head(head), .body(.byteBuffer(ByteBuffer(bytes: body))), .end(nil)])
        try await Self.answer(inbound, receive)
      }
    } catch is IOError {
      throw Self.brokenOff
    }
  }

  private static let brokenOff = ErrorReply(error: "lbd ended before its answer did", code: "unavailable")

  private static func answer(
    _ parts: NIOAsyncChannelInboundStream<HTTPClientResponsePart>, _ receive: (ByteBuffer) async throws -> Void
  ) async throws {
    var status = HTTPResponseStatus.ok
    var refusal = ByteBuffer()
    for try await part in parts {
      switch part {
      case .head(let head): status = head.status
      case .body(var piece) where status != .ok: refusal.writeBuffer(&piece)
      case .body(let piece): try await receive(piece)
      case .end:
        if status != .ok { throw reply(refusal, status) }
        return
      }
    }
    throw brokenOff
  }

  private static func reply(_ body: ByteBuffer, _ status: HTTPResponseStatus) -> ErrorReply {
    let reply = try? JSONDecoder().decode(ErrorReply.self, from: Data(body.readableBytesView))
    return reply ?? ErrorReply(error: "lbd answered \(status)", code: "internal")
  }

  private static func text(_ query: [String: String?]) -> String {
    let parts = query.compactMap { name, value in
      value?.addingPercentEncoding(withAllowedCharacters: .alphanumerics).map { "\(name)=\($0)" }
    }
    return parts.isEmpty ? "" : "?" + parts.sorted().joined(separator: "&")
  }

  private func connect() async throws -> NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart> {
    do {
      return try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .connect(unixDomainSocketPath: socket.path) { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHTTPClientHandlers()
            return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
          }
        }
    } catch {
      throw ErrorReply(error: noAnswer(error), code: "unavailable")
    }
  }

  private func noAnswer(_ error: any Error) -> String {
    switch (error as? IOError)?.errnoCode {
    case ENOENT, ECONNREFUSED:
      "nobody answers on \(socket.path): is lbd running? start it with 'lbd --interface eth0', or name its socket with --socket"
    case EACCES, EPERM: "no permission to use \(socket.path): it is for the user that lbd runs as (try sudo)"
    default: "\(socket.path) does not answer: \(SocketProblem(error))"
    }
  }
}
