import LVS
import NIOCore
import NIOHTTP1

/// Sends one request and reads as much of its response as decides: the head, and of a body that must match so much as
/// is read of bodies.
final class HTTPReader: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  private let head: HTTPRequestHead
  private let status: StatusSet
  private let pattern: BodyPattern?
  /// Called once, on the channel's event loop.
  private var finish: ((Outcome) -> Void)?
  private var answer: HTTPResponseStatus?
  private var body: [UInt8] = []

  init(_ question: HealthCheck.HTTPQuestion, host: String, pattern: BodyPattern?, finish: @escaping (Outcome) -> Void) {
    var headers = HTTPHeaders([("Host", question.host ?? host), ("User-Agent", "lbd"), ("Accept", "*/*")])
    for header in question.headers { headers.replaceOrAdd(name: header.name, value: header.value) }
    headers.replaceOrAdd(name: "Connection", value: "close")
    head = HTTPRequestHead(
      version: .http1_1, method: HTTPMethod(rawValue: question.method), uri: question.path, headers: headers)
    (status, self.pattern, self.finish) = (question.status, pattern, finish)
  }

  func channelActive(context: ChannelHandlerContext) {
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): take(head, context)
    case .body(let part): take(part, context)
    case .end: decide(context)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    end(
      .bad(answer == nil ? "closed by the server before a response" : "closed by the server within the body"), context)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { end(.bad(Self.words(error)), context) }

  private func take(_ head: HTTPResponseHead, _ context: ChannelHandlerContext) {
    guard head.status.code >= 200 else { return }
    answer = head.status
    if !status.contains(UInt16(clamping: head.status.code)) {
      end(.bad("\(Self.words(head.status)) (wanted: \(status))"), context)
    } else if pattern == nil {
      end(.good(Self.words(head.status)), context)
    }
  }

  private func take(_ part: ByteBuffer, _ context: ChannelHandlerContext) {
    guard answer != nil, pattern != nil else { return }
    body.append(contentsOf: part.readableBytesView.prefix(HealthCheck.HTTPQuestion.bodyLimit - body.count))
    if body.count >= HealthCheck.HTTPQuestion.bodyLimit { decide(context) }
  }

  private func decide(_ context: ChannelHandlerContext) {
    guard let answer, let pattern else { return }
    switch pattern.match(body) {
    case .match: end(.good("\(Self.words(answer)), the body matches"), context)
    case .noMatch:
      end(.bad("\(Self.words(answer)), but the body does not match in its first \(body.count) bytes"), context)
    case .tooHard: end(.bad("\(Self.words(answer)), but matching the body takes too long"), context)
    }
  }

  private func end(_ outcome: Outcome, _ context: ChannelHandlerContext) {
    guard let finish else { return }
    self.finish = nil
    finish(outcome)
    context.close(promise: nil)
  }

  private static func words(_ status: HTTPResponseStatus) -> String { "HTTP \(status.code)" }

  /// What went wrong, in few words; TLS errors come as a dump of BoringSSL's queue, of which the reason is what counts.
  private static func words(_ error: any Error) -> String {
    switch error {
    case let error as HTTPParserError: return "no HTTP: \(error)"
    case let error as IOError: return Outcome(CallFailure("read", code: error.errnoCode)).words
    default:
      let text = "\(error)"
      guard let mark = text.firstRange(of: "OPENSSL_internal:") else { return "TLS: \(text.prefix(120))" }
      let reason = text[mark.upperBound...].prefix { $0.isUppercase || $0.isNumber || $0 == "_" }
      return "TLS: \(reason.lowercased().replacing("_", with: " "))"
    }
  }
}
