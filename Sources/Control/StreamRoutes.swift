import AsyncAlgorithms
import Foundation
import Hummingbird
import LVS
import NIOCore
import ServiceLifecycle

/// The answers without an end in sight, written as they come and no faster than they are read.
extension Routes {
  func addStreams(to api: RouterGroup<StreamContext>) {
    stream(API.connections, on: api) { filter, _, context in
      Response(
        status: .ok, headers: [.contentType: "application/x-ndjson"], body: rows(of: filter, context))
    }
    stream(API.capture, on: api) { choice, request, context in
      let frames = try await core.part(\.capture, .capture)(choice.filter)
      return Response(
        status: .ok, headers: [.contentType: "application/vnd.tcpdump.pcap"],
        body: bytes(of: frames, to: request, context))
    }
  }

  private func stream<Asked>(
    _ stream: StreamOperation<Asked>, on api: RouterGroup<StreamContext>,
    _ body: @escaping @Sendable (Asked, Request, StreamContext) async throws -> Response
  ) {
    api.get(RouterPath(stream.operation.path)) { request, context in
      let fields = stream.operation.fields(of: request, context)
      return try await body(try await stream.operation.request(fields) { Data() }, request, context)
    }
  }

  /// One JSON object a line; a plane that fails half way says so in the last one.
  private func rows(of filter: ConnectionFilter, _ context: StreamContext) -> ResponseBody {
    let plane = core.plane
    return ResponseBody { writer in
      let slices = AsyncThrowingChannel<[ConnectionStatus], any Error>()
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          do {
            try await plane.connections(filter) { slice in
              await slices.send(slice)
              return !Task.isCancelled
            }
            slices.finish()
          } catch {
            slices.fail(error)
          }
        }
        do {
          try await context.untilShutdown {
            for try await slice in slices {
              try await writer.write(ByteBuffer(bytes: ConnectionStatus.jsonLines(slice)))
            }
          }
        } catch let error as PlaneError {
          try await writer.write(ByteBuffer(bytes: JSON.encode(ErrorReply(error))))
        }
      }
      try await writer.finish(nil)
    }
  }

  /// Ends when the reader goes away and when the daemon stops.
  private func bytes(of frames: AsyncStream<[UInt8]>, to request: Request, _ context: StreamContext) -> ResponseBody {
    ResponseBody { writer in
      try await context.untilShutdown {
        try await request.body.consumeWithCancellationOnInboundClose { _ in
          for await chunk in frames.cancelOnGracefulShutdown() {
            try await writer.write(ByteBuffer(bytes: chunk))
          }
        }
      }
      try await writer.finish(nil)
    }
  }
}

/// A request with the socket that its answer goes to.
struct StreamContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  private let channel: any Channel

  init(source: ApplicationRequestContextSource) {
    coreContext = CoreRequestContextStorage(source: source)
    channel = source.channel
  }

  /// Does work that may wait for a slow reader. One that still has not read all a second after the daemon was told to
  /// end holds it up no longer.
  func untilShutdown(_ work: () async throws -> Void) async throws {
    try await withGracefulShutdownHandler(operation: work) { [channel] in
      channel.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
    }
  }
}
