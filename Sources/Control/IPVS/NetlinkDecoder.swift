import IPVSMessages
import NIOCore

/// Takes a stream of bytes apart into netlink messages. A length that cannot be true ends the stream.
struct NetlinkDecoder: ByteToMessageDecoder {
  typealias InboundOut = [UInt8]

  /// A request of the family `IPVS` has some hundred bytes.
  static let longest = 1 << 16

  mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
    guard let length = buffer.getBytes(at: buffer.readerIndex, length: 4).flatMap({ UInt32(hostBytes: $0[...]) }) else {
      return .needMoreData
    }
    guard (NetlinkHeader.size...Self.longest).contains(Int(length)) else { throw MalformedMessage() }
    let whole = (Int(length) + 3) & ~3
    guard buffer.readableBytes >= whole, let message = buffer.readBytes(length: whole) else { return .needMoreData }
    context.fireChannelRead(wrapInboundOut(Array(message.prefix(Int(length)))))
    return .continue
  }

  /// What is not whole when the other side has ended is nothing.
  mutating func decodeLast(
    context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool
  ) throws -> DecodingState {
    while try decode(context: context, buffer: &buffer) == .continue {}
    return .needMoreData
  }
}
