import LVS
import NIOCore
import NIOHTTP1

/// A connection that stays open for one request after the other.
struct ControlConnection: Sendable {
  private struct Waiting: Sendable {
    let request: [HTTPClientRequestPart]
    let answer: CheckedContinuation<ByteBuffer, any Error>
  }

  private let waiting: AsyncStream<Waiting>.Continuation

  /// Serves what `body` asks for over the channel, until it returns.
  static func open<Value>(
    _ channel: NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>,
    _ body: (ControlConnection) async throws -> Value
  ) async throws -> Value {
    let (requests, waiting) = AsyncStream<Waiting>.makeStream()
    async let serving: Void = serve(requests, on: channel)
    let result: Result<Value, any Error>
    do { result = .success(try await body(ControlConnection(waiting: waiting))) } catch { result = .failure(error) }
    waiting.finish()
    try? await serving
    return try result.get()
  }

  /// - Returns: the whole answer.
  func exchange(_ request: [HTTPClientRequestPart]) async throws -> ByteBuffer {
    try await withCheckedThrowingContinuation { answer in
      waiting.yield(Waiting(request: request, answer: answer))
    }
  }

  private static func serve(
    _ requests: AsyncStream<Waiting>, on channel: NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>
  ) async throws {
    try await channel.executeThenClose { inbound, outbound in
      var parts = inbound.makeAsyncIterator()
      for await waiting in requests {
        do {
          try await outbound.write(contentsOf: waiting.request)
          waiting.answer.resume(returning: try await ControlClient.answer { try await parts.next() })
        } catch {
          waiting.answer.resume(throwing: error as? ErrorReply ?? ControlClient.brokenOff)
        }
      }
    }
  }
}
