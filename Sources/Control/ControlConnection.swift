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

  /// Serves what is asked for over the channel until it is closed.
  init(_ channel: NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>) {
    let (requests, waiting) = AsyncStream<Waiting>.makeStream()
    self.waiting = waiting
    // Why the connection ended reaches whoever waits for an answer.
    Task { try? await Self.serve(requests, on: channel) }
  }

  func close() { waiting.finish() }

  /// - Returns: the whole answer.
  func exchange(_ request: [HTTPClientRequestPart]) async throws -> ByteBuffer {
    try await withCheckedThrowingContinuation { answer in
      guard case .enqueued = waiting.yield(Waiting(request: request, answer: answer)) else {
        return answer.resume(throwing: ControlClient.brokenOff)
      }
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
