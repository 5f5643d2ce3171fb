import AsyncAlgorithms
import Hummingbird
import LVS
import NIOCore
import ServiceLifecycle

/// The answers without an end in sight, written as they come and no faster than they are read.
extension Routes {
  func addStreams(to api: RouterGroup<StreamContext>) {
    api.get("connections") { request, context in
      Response(
        status: .ok, headers: [.contentType: "application/x-ndjson"],
        body: rows(of: try ConnectionFilter(request), context))
    }
    api.get("capture") { request, context in
      let filter = request.uri.queryParameters["filter"].map { String($0) }
      let frames = try await controller.inspection.capture(filter: filter)
      return Response(
        status: .ok, headers: [.contentType: "application/vnd.tcpdump.pcap"],
        body: bytes(of: frames, to: request, context))
    }
  }

  /// One JSON object a line; a plane that fails half way says so in the last one.
  private func rows(of filter: ConnectionFilter, _ context: StreamContext) -> ResponseBody {
    let plane = controller.plane
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

extension ConnectionFilter {
  fileprivate init(_ request: Request) throws {
    self.init(
      client: try request.query("client"), service: try request.query("service"), server: try request.query("server"),
      state: request.uri.queryParameters["state"].map { String($0) })
  }
}
