import Foundation
import Hummingbird
import LVS

/// The API: resources as JSON, refusals as `ErrorReply`.
///
///     GET    /v1/services[?service=KEY]    POST /v1/changes        POST /v1/zero[?service=KEY]
///     DELETE /v1/services                  GET PUT /v1/configuration         GET /v1/total
///     POST   /v1/attempts                  changes, each by itself: an ErrorReply or null for each
///     GET    /v1/connections[?client=&service=&server=&state=]     one JSON object a line
///     GET PUT /v1/timeouts                 GET /v1/settings        PUT /v1/settings/NAME
///     GET PUT /v1/marks
///     GET    /v1/neighbors /v1/vips /v1/workers /v1/verdicts       GET /v1/capture[?filter=EXPR]
///     GET    /v1/findings          POST /v1/doctor         POST /v1/vips/takeover /v1/vips/release
///     GET    /metrics
struct Routes {
  let controller: Controller

  /// A configuration of many thousand services has some megabytes.
  static let largestBody = 64 << 20

  func router() -> Router<StreamContext> {
    let router = Router(context: StreamContext.self)
    router.add(middleware: ErrorLines())
    let api = router.group("v1")
    addServices(to: api)
    addConfiguration(to: api)
    addInspection(to: api)
    addVIPs(to: api)
    addStreams(to: api)
    router.addMetrics(of: controller)
    return router
  }

  private func addServices(to api: RouterGroup<StreamContext>) {
    api.get("services") { request, _ in try Response.json(await controller.services(request.service)) }
    api.get("total") { _, _ in try Response.json(await controller.plane.total()) }
    api.delete("services") { _, _ in
      try await controller.flush()
      return try Response.json([String: String]())
    }
    api.post("changes") { request, _ in
      let changes: [Change] = try await request.json()
      try await controller.apply(changes)
      return try Response.json(Applied(changes: changes.count))
    }
    api.post("attempts") { request, _ in
      let changes: [Change] = try await request.json()
      return try Response.json(await controller.attempt(changes).map { $0.map { ErrorReply($0) } })
    }
    api.post("zero") { request, _ in
      try await controller.plane.zero(request.service)
      return try Response.json([String: String]())
    }
  }

  private func addConfiguration(to api: RouterGroup<StreamContext>) {
    api.get("configuration") { _, _ in try Response.json(await controller.configuration()) }
    api.put("configuration") { request, _ in
      let desired = try Configuration(yaml: String(decoding: await request.bytes(), as: UTF8.self))
      return try Response.json(Applied(changes: await controller.reconcile(to: desired).count))
    }
    api.get("timeouts") { _, _ in try Response.json(await controller.plane.timeouts()) }
    api.put("timeouts") { request, _ in
      try await controller.plane.setTimeouts(request.json())
      return try Response.json(await controller.plane.timeouts())
    }
    api.get("marks") { _, _ in try Response.json(await controller.inspection.marks()) }
    api.put("marks") { request, _ in
      try await controller.setMarks(request.json())
      return try Response.json(await controller.inspection.marks())
    }
    api.get("settings") { _, _ in try Response.json(await controller.inspection.settings()) }
    api.put("settings/:name") { request, context in
      let setting: Setting = try await request.json()
      let name = try context.parameters.require("name")
      try await controller.inspection.set(name.removingPercentEncoding ?? name, to: setting.value)
      return try Response.json(await controller.inspection.settings())
    }
  }

  private func addInspection(to api: RouterGroup<StreamContext>) {
    api.get("neighbors") { _, _ in try Response.json(await controller.inspection.neighbors()) }
    api.get("vips") { _, _ in try Response.json(await controller.inspection.vips()) }
    api.get("workers") { _, _ in try Response.json(await controller.inspection.workers()) }
    api.get("verdicts") { _, _ in try Response.json(await controller.inspection.verdicts()) }
    api.get("findings") { _, _ in try Response.json(await controller.inspection.findings()) }
    api.post("doctor") { _, _ in try Response.json(await controller.inspection.examine()) }
  }

  private func addVIPs(to api: RouterGroup<StreamContext>) {
    api.post("vips/takeover") { request, _ in
      let named: NamedVIPs = try await request.json()
      try await controller.inspection.takeOver(named.vips)
      return try Response.json(await controller.inspection.vips())
    }
    api.post("vips/release") { request, _ in
      let named: NamedVIPs = try await request.json()
      try await controller.inspection.release(named.vips)
      return try Response.json(await controller.inspection.vips())
    }
  }
}

extension Router<StreamContext> {
  func addMetrics(of controller: Controller) {
    get("metrics") { _, _ in
      let inspection = try? controller.inspection
      let metrics = MetricsText(
        services: try await controller.services(), verdicts: await inspection?.verdicts(),
        workers: await inspection?.workers() ?? [], neighbors: await inspection?.neighbors() ?? [],
        vips: await inspection?.vips() ?? [], findings: await inspection?.findings() ?? [])
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
      reply = ErrorReply(error: "there is no \(request.method) \(request.uri.path)", code: "notFound")
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

  func json<Value: Decodable>(_ type: Value.Type = Value.self) async throws -> Value {
    try JSON.decode(type, from: Data(await bytes()))
  }

  /// The query's value under the name, read as what it should be; nil where the name does not stand there.
  func query<Value: TextCodable>(_ name: String, as type: Value.Type = Value.self) throws -> Value? {
    guard let text = uri.queryParameters[Substring(name)] else { return nil }
    guard let value = Value(String(text)) else {
      throw ErrorReply.badRequest("\(name): '\(text)' is not \(Value.kind)")
    }
    return value
  }

  var service: ServiceKey? {
    get throws { try query("service") }
  }
}
