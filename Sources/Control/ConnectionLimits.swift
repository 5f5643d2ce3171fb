import NIOCore
import Synchronization

/// The connections of a server that strangers may use: the newest ones, each for a limited time.
///
/// Of more than `capacity` the oldest is closed. So who opens many, and leaves them idle or reads nothing, shuts nobody
/// out, and no more than so many descriptors are ever taken from the rest of the process.
final class Seats: Sendable {
  /// How long a connection may last, whatever it is used for.
  static let lifetime = TimeAmount.seconds(30)

  private let capacity: Int
  /// The oldest first.
  private let taken = Mutex<[any Channel]>([])

  init(_ capacity: Int) { self.capacity = capacity }

  var count: Int { taken.withLock { $0.count } }

  fileprivate func take(_ channel: any Channel) {
    let oldest = taken.withLock { taken in
      taken.append(channel)
      return taken.count > capacity ? taken.removeFirst() : nil
    }
    oldest?.close(promise: nil)
    let end = channel.eventLoop.scheduleTask(in: Self.lifetime) { channel.close(promise: nil) }
    channel.closeFuture.whenComplete { [self] _ in
      end.cancel()
      taken.withLock { $0.removeAll { $0 === channel } }
    }
  }
}

/// Gives its connection one of the seats.
final class SeatHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = NIOAny

  private let seats: Seats

  init(_ seats: Seats) { self.seats = seats }

  func handlerAdded(context: ChannelHandlerContext) { seats.take(context.channel) }
}

/// Closes a connection that is opened and asks for nothing.
final class FirstRequestTimeout: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = NIOAny
  typealias InboundOut = NIOAny

  static let patience = TimeAmount.seconds(30)
  private var end: Scheduled<Void>?

  func handlerAdded(context: ChannelHandlerContext) {
    let channel = context.channel
    end = context.eventLoop.scheduleTask(in: Self.patience) { channel.close(promise: nil) }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    end?.cancel()
    context.fireChannelRead(data)
  }

  func handlerRemoved(context: ChannelHandlerContext) { end?.cancel() }
}

/// Has a server that cannot accept, for want of a descriptor or of memory, rest before it tries again.
///
/// NIO's own `AcceptBackoffHandler` does not: after an accept that failed, the listening socket stays registered, is
/// readable still, and the event loop turns without end.
final class AcceptPause: ChannelInboundHandler, RemovableChannelHandler, Sendable {
  typealias InboundIn = NIOAny

  private static let pause = TimeAmount.milliseconds(200)
  private let failed: @Sendable (any Error) -> Void

  /// - Parameter failed: told of each accept that failed.
  init(_ failed: @escaping @Sendable (any Error) -> Void) { self.failed = failed }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    failed(error)
    let channel = context.channel
    rest(channel, true)
    context.eventLoop.scheduleTask(in: Self.pause) { self.rest(channel, false) }
    context.fireErrorCaught(error)
  }

  private func rest(_ channel: any Channel, _ isResting: Bool) {
    // It fails where the channel is closed, and there is nothing to rest from.
    channel.setOption(.autoRead, value: !isResting).whenFailure { _ in }
  }
}

/// How many connections a server may have: a share of the descriptors that the process may have, so that what is
/// reserved for its own work is never taken by those who ask it.
enum ConnectionShare {
  static var control: Int { share(of: 4, most: 256) }
  static var metrics: Int { share(of: 8, most: 64) }

  private static func share(of part: Int, most: Int) -> Int { min(max(DescriptorLimit.present / part, 1), most) }
}
