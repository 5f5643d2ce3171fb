import NIOCore
import NIOHTTP1

/// Ends a client's connection where an answer that is due does not come, or does not go on.
///
/// Only silence counts, not how long an answer takes as a whole; nor does the time in which the client itself is not
/// ready to take more, since what it writes to is slow.
final class SilenceTimeout: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias InboundOut = HTTPClientResponsePart
  typealias OutboundIn = HTTPClientRequestPart
  typealias OutboundOut = HTTPClientRequestPart

  private let patience: TimeAmount
  /// Whether an answer goes on until the client has enough, with silences of any length once it has begun.
  private let isEndless: Bool
  private let silence: any Error
  /// An answer is due, and the client is ready for it.
  private var (isDue, isReady) = (false, false)
  private var end: Scheduled<Void>?

  /// - Parameter silence: what whoever waits for the answer gets instead.
  init(_ patience: TimeAmount, isEndless: Bool, silence: any Error) {
    (self.patience, self.isEndless, self.silence) = (patience, isEndless, silence)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    if case .end = unwrapOutboundIn(data) { isDue = true }
    context.write(data, promise: promise)
    watch(context)
  }

  func read(context: ChannelHandlerContext) {
    isReady = true
    context.read()
    watch(context)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head: isDue = true
    case .body: isDue = !isEndless
    case .end: isDue = false
    }
    stop()
    context.fireChannelRead(data)
    watch(context)
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    isReady = false
    stop()
    context.fireChannelReadComplete()
  }

  func handlerRemoved(context: ChannelHandlerContext) { stop() }

  private func stop() {
    end?.cancel()
    end = nil
  }

  private func watch(_ context: ChannelHandlerContext) {
    guard isDue, isReady, end == nil else { return }
    let (bound, silence) = (NIOLoopBound(context, eventLoop: context.eventLoop), silence)
    end = context.eventLoop.scheduleTask(in: patience) {
      bound.value.fireErrorCaught(silence)
      bound.value.close(promise: nil)
    }
  }
}
