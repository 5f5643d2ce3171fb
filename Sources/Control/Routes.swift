import Foundation
import Hummingbird
import LVS

/// The API over HTTP: the operations that a core answers, what streams, and metrics.
struct Routes {
  let core: ControlCore
  let reloading: Reloading

  /// A configuration of many thousand services has some megabytes.
  static let largestBody = 64 << 20

  func router() -> Router<StreamContext> {
    let router = Router(context: StreamContext.self)
    router.add(middleware: ErrorLines())
    let api = router.group("v1")
    var table = RouteTable(api: api)
    answer(&table)
    addStreams(to: api)
    router.addMetrics(of: core)
    return router
  }

  /// All that is no stream.
  private func answer(_ table: inout some OperationTable) {
    core.answer(&table)
    table.answer(API.reload) { [reloading] _ in Applied(changes: try await reloading.reload()) }
    table.answer(API.document) { _ in document }
  }

  /// The whole API, described.
  var document: JSONValue {
    var document = APIDocument()
    answer(&document)
    document.add(API.connections)
    document.add(API.capture)
    document.addMetrics()
    return document.json
  }
}

/// Makes a route of each operation.
private struct RouteTable: OperationTable {
  let api: RouterGroup<StreamContext>

  func answer<Request, Answer>(
    _ operation: Operation<Request, Answer>, by body: @escaping @Sendable (Request) async throws -> Answer
  ) {
    let method = HTTPRequest.Method(rawValue: operation.method.rawValue) ?? .get
    api.on(RouterPath(operation.path), method: method) { request, context in
      let fields = operation.fields(of: request, context)
      return try Response.json(
        await body(operation.request(fields) { Data(try await request.bytes()) }))
    }
  }
}

extension Operation {
  /// What the path says, and the query where the request stands there.
  func fields(of request: Hummingbird.Request, _ context: StreamContext) -> [String: String] {
    var fields: [String: String] = [:]
    if isInQuery { for (name, value) in request.uri.queryParameters { fields[String(name)] = String(value) } }
    for name in fieldsOfPath {
      let value = context.parameters.get(name) ?? ""
      fields[name] = value.removingPercentEncoding ?? value
    }
    return fields
  }
}

extension Router<StreamContext> {
  func addMetrics(of core: ControlCore) {
    get("metrics") { _, _ in
      let parts = core.facilities
      let metrics = MetricsText(
        services: try await core.services(), verdicts: await parts.verdicts?(), workers: await parts.workers?() ?? [],
        neighbors: await parts.neighbors?() ?? [], vips: await parts.vips?() ?? [],
        findings: parts.doctor == nil ? [] : try await core.findings(), tables: await parts.tables?() ?? [],
        health: parts.health == nil ? [] : try await core.health(), sync: await parts.sync?.status())
      return Response(
        status: .ok, headers: [.contentType: MetricsText.contentType],
        body: ResponseBody(byteBuffer: ByteBuffer(string: metrics.text)))
    }
  }
}

/// Turns whatever a route throws, and a path that there is not, into an `ErrorReply`.
struct ErrorLines: RouterMiddleware {
  func handle(
    _ request: Request, context: StreamContext,
    next: (Request, StreamContext) async throws -> Response
  ) async throws -> Response {
    let reply: ErrorReply
    do {
      return try await next(request, context)
    } catch let error as HTTPError where error.status == .notFound {
      reply = ErrorReply(error: "there is no \(request.method) \(request.uri.path)", code: "not_found")
    } catch let error as any HTTPResponseError {
      reply = .badRequest("\(error.status.reasonPhrase): \(request.method) \(request.uri.path)")
    } catch {
      reply = ErrorReply(error)
    }
    return try Response.json(reply, status: .init(code: reply.status))
  }
}

extension Response {
  static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
    Response(
      status: status, headers: [.contentType: "application/json"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: try JSON.encode(value))))
  }
}

extension Request {
  func bytes() async throws -> [UInt8] {
    try await Array(body.collect(upTo: Routes.largestBody).readableBytesView)
  }
}
