import Foundation
import Glibc
import LVS
import NIOCore
import NIOHTTP1
import NIOPosix

/// Speaks the API: one connection for each request, or one for all once it is `connected`.
public struct ControlClient: Sendable {
  /// Seconds of silence after which an answer is given up, unless somebody says otherwise.
  public static let standardPatience = 30

  public let socket: ControlSocket
  /// Seconds; 0: for ever.
  private let patience: Int
  private var connection: ControlConnection?

  public init(_ socket: ControlSocket = ControlSocket(), patience: Int = standardPatience) {
    (self.socket, self.patience) = (socket, patience)
  }

  /// A client that makes all of its requests over one connection, until it is disconnected.
  public func connected() async throws -> ControlClient {
    var client = self
    client.connection = ControlConnection(try await connect())
    return client
  }

  public func disconnect() { connection?.close() }

  /// Sends a request and hands the body of its answer over piece by piece.
  ///
  /// - Parameter isEndless: the answer goes on until the receiver throws, and may be silent in between.
  /// - Throws: `ErrorReply` where the daemon refuses, nobody answers, or the answer breaks off.
  func exchange(
    _ method: HTTPMethod, _ path: String, query: [String: String] = [:], body: Data = Data(),
    isEndless: Bool = false, _ receive: (ByteBuffer) async throws -> Void
  ) async throws {
    let head = HTTPRequestHead(
      version: .http1_1, method: method, uri: path + Self.text(query),
      headers: [
        "host": "localhost", "connection": connection == nil ? "close" : "keep-alive",
        "content-length": "\(body.count)",
      ])
    let request: [HTTPClientRequestPart] = [.head(head), .body(.byteBuffer(ByteBuffer(bytes: body))), .end(nil)]
    if let connection { return try await receive(connection.exchange(request)) }
    let channel = try await connect(isEndless: isEndless)
    do {
      try await channel.executeThenClose { inbound, outbound in
        // At once: the daemon may have answered and closed as soon as it knows the length to be 0.
        try await outbound.write(contentsOf: request)
        var parts = inbound.makeAsyncIterator()
        try await Self.answer({ try await parts.next() }, receive)
      }
    } catch is IOError, is ChannelError, is HTTPParserError, is NIOHTTPDecoderError {
      throw Self.brokenOff
    }
  }

  static let brokenOff = ErrorReply(error: "lbd ended before its answer did", code: "unavailable")

  /// The whole body of an answer.
  static func answer(_ next: () async throws -> HTTPClientResponsePart?) async throws -> ByteBuffer {
    var whole = ByteBuffer()
    try await answer(next) { piece in
      var piece = piece
      whole.writeBuffer(&piece)
    }
    return whole
  }

  private static func answer(
    _ next: () async throws -> HTTPClientResponsePart?, _ receive: (ByteBuffer) async throws -> Void
  ) async throws {
    var status = HTTPResponseStatus.ok
    var refusal = ByteBuffer()
    while let part = try await next() {
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
    // Whatever answers at that socket may be no lbd.
    let reply = try? JSONDecoder().decode(ErrorReply.self, from: Data(body.readableBytesView))
    return reply ?? ErrorReply(error: "lbd answered \(status)", code: "internal")
  }

  private static func text(_ query: [String: String]) -> String {
    let parts = query.compactMap { name, value in
      value.addingPercentEncoding(withAllowedCharacters: .alphanumerics).map { "\(name)=\($0)" }
    }
    return parts.isEmpty ? "" : "?" + parts.sorted().joined(separator: "&")
  }

  private func connect(
    isEndless: Bool = false
  ) async throws -> NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart> {
    let silence = ErrorReply(
      error:
        "lbd at \(socket.path) has not answered for \(patience) s: it is stopped or overloaded (--timeout waits longer)",
      code: "unavailable")
    do {
      return try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .connect(unixDomainSocketPath: socket.path) { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHTTPClientHandlers()
            if patience > 0 {
              let timeout = SilenceTimeout(.seconds(Int64(patience)), isEndless: isEndless, silence: silence)
              try channel.pipeline.syncOperations.addHandler(timeout)
            }
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
