import Foundation
import FoundationNetworking
import Glibc
import LVS
import ServiceLifecycle
import Testing

@testable import Control

@Suite("The API over its socket", .serialized, .timeLimit(.minutes(2)))
struct ControlServerTests {
  static let web = key("tcp:192.0.2.100:80")
  static let first = RealServer(endpoint("192.0.2.11:80"), weight: 3)
  static let second = RealServer(endpoint("192.0.2.12:80"))

  @Test("Changes are in force when the client returns, the newest server first")
  func changes() async throws {
    try await Served.run { served in
      try await served.client.apply([.addService(VirtualService(Self.web), force: false)])
      try await served.client.apply([.addServer(Self.first, to: Self.web), .addServer(Self.second, to: Self.web)])
      #expect(try await served.client.service(Self.web).servers.map(\.server) == [Self.second, Self.first])
      #expect(
        try await served.client.call(API.configuration).services
          == [ServiceDefinition(VirtualService(Self.web), servers: [Self.first, Self.second])])
    }
  }

  @Test("A refused change in the middle of several: nothing is done, and its line is told")
  func refusals() async throws {
    try await Served.run { served in
      let add = Change.addService(VirtualService(Self.web), force: false)
      try await served.client.apply([add])
      let twice = await served.refusal { try await $0.apply([.addServer(Self.first, to: Self.web), add]) }
      #expect(twice == ErrorReply(error: PlaneError.serviceExists(Self.web).description, code: "service_exists"))
      #expect(try await served.client.service(Self.web).servers == [])
      let missing = await served.refusal { _ = try await $0.services(key("udp:192.0.2.100:53")) }
      #expect(missing?.code == "no_such_service")
    }
  }

  @Test("All changes are checked before the first is made")
  func checkedFirst() async throws {
    try await Served.run { served in
      let refusal = await served.refusal { client in
        try await client.apply([
          .addService(VirtualService(Self.web), force: false),
          .addServer(RealServer(endpoint("192.0.2.11:80"), weight: 70000), to: Self.web),
        ])
      }
      #expect(refusal == ErrorReply(error: "weight 70000 is not in 0 to 65535", code: "out_of_range"))
      let services = try await served.client.services()
      #expect(services.isEmpty)
    }
  }

  @Test("Of changes that are attempted, each stands or falls by itself")
  func attempts() async throws {
    try await Served.run { served in
      let add = Change.addService(VirtualService(Self.web), force: false)
      let refusals = try await served.client.call(
        API.attempts,
        [
          .addServer(Self.first, to: Self.web), add, add, .addServer(Self.first, to: Self.web),
          .addServer(RealServer(endpoint("192.0.2.12:80"), weight: 70000), to: Self.web),
          .addServer(Self.second, to: Self.web),
        ])
      #expect(refusals.map(\.?.code) == ["no_such_service", nil, "service_exists", nil, "out_of_range", nil])
      #expect(try await served.client.service(Self.web).servers.map(\.server) == [Self.second, Self.first])
    }
  }

  @Test("One connection carries request after request, refused ones too, until the daemon ends")
  func oneConnection() async throws {
    let gone = try await Served.run { served in
      let client = try await served.client.connected()
      try await client.apply([.addService(VirtualService(Self.web), force: false)])
      await #expect(throws: ErrorReply.self) { _ = try await client.services(key("udp:192.0.2.100:53")) }
      #expect(try await client.services().map(\.service.key) == [Self.web])
      client.disconnect()
      await #expect(throws: ErrorReply.self) { _ = try await client.call(API.flush) }
      return try await served.client.connected()
    }
    await #expect(throws: ErrorReply.self) { _ = try await gone.call(API.flush) }
  }

  @Test("A configuration is reached with the least changes, and flush empties it")
  func reconcile() async throws {
    try await Served.run { served in
      var desired = Configuration(services: [
        ServiceDefinition(VirtualService(Self.web), servers: [Self.first, Self.second])
      ])
      #expect(try await served.client.call(API.apply, desired).changes == 3)
      #expect(try await served.client.call(API.apply, desired).changes == 0)
      desired.services[0].servers[0].weight = 5
      #expect(try await served.client.call(API.apply, desired).changes == 1)
      #expect(try await served.client.call(API.configuration) == desired)
      _ = try await served.client.call(API.flush)
      #expect(try await served.client.call(API.configuration) == Configuration())
    }
  }

  @Test("A drained server keeps what was asked for until that is changed, or the server goes")
  func drain() async throws {
    try await Served.run { served in
      func weight() async throws -> Weight? { try await served.client.service(Self.web).servers.first?.server.weight }
      let name = Self.first.endpoint
      let add = [Change.addService(VirtualService(Self.web), force: false), .addServer(Self.first, to: Self.web)]
      try await served.client.apply(add + [.drainServer(name, of: Self.web)])
      #expect(try await weight() == Weight(3, isDrained: true))
      #expect(await served.plane.status()[0].servers[0].server.weight == 0)
      // Of a list that is refused, nothing is in force.
      _ = await served.refusal {
        try await $0.apply([.undrainServer(name, of: Self.web), .removeService(key("fwmark:7"))])
      }
      #expect(try await weight() == Weight(3, isDrained: true))
      try await served.client.apply([.undrainServer(name, of: Self.web)])
      #expect(try await weight() == 3)
      let again = await served.refusal { try await $0.apply([.undrainServer(name, of: Self.web)]) }
      #expect(again?.error == "192.0.2.11:80 is not drained (edit-rs -w sets its weight)")
      try await served.client.apply([.drainServer(name, of: Self.web)])
      try await served.client.apply([.updateServer(RealServer(name, weight: 5), of: Self.web)])
      #expect(try await weight() == 5)
      try await served.client.apply([.drainServer(name, of: Self.web), .removeServer(name, from: Self.web)])
      try await served.client.apply([.addServer(Self.first, to: Self.web)])
      #expect(try await weight() == 3)
    }
  }

  @Test("Requests at the same time are carried out one after the other")
  func concurrent() async throws {
    try await Served.run { served in
      try await served.client.apply([.addService(VirtualService(Self.web), force: false)])
      let configurations = (1...20).map { count in
        Configuration(services: [
          ServiceDefinition(
            VirtualService(Self.web),
            servers: (1...count).map { RealServer(endpoint("192.0.2.\($0):80"), weight: Weight(Int32(count))) })
        ])
      }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for configuration in configurations {
          group.addTask { _ = try await served.client.call(API.apply, configuration) }
        }
        try await group.waitForAll()
      }
      // The order of the servers tells of the history; the result is one of the wanted ones all the same.
      let servers = Set(try await served.client.call(API.configuration).services[0].servers)
      #expect(configurations.contains { Set($0.services[0].servers) == servers })
    }
  }

  @Test("Timeouts and settings are read and set")
  func settings() async throws {
    try await Served.run { served in
      let timeouts = try await served.client.call(API.setTimeouts, Timeouts(udp: 60))
      #expect(timeouts == Timeouts(tcp: 900, tcpFin: 120, udp: 60))
      let set = try await served.client.call(API.set, Setting("expire_nodest_conn", "1"))
      let standing = [
        "expire_nodest_conn": "1", "failed_neighbor": "quiesce", "sync_period": "50", "sync_threshold": "3",
      ]
      #expect(set == standing.mapValues { SettingValue($0) })
      let settings = try await served.client.call(API.settings)
      #expect(settings == set)
      let refusal = await served.refusal { _ = try await $0.call(API.set, Setting("a b/c", "1")) }
      let known = "expire_nodest_conn, failed_neighbor, sync_period, sync_threshold"
      #expect(refusal?.error == "no setting 'a b/c' (there are \(known))")
    }
  }

  @Test("What the director can tell is told")
  func inspection() async throws {
    try await Served.run { served in
      #expect(try await served.client.call(API.neighbors) == served.plane.neighbors())
      #expect(try await served.client.call(API.vips) == served.plane.vips())
      #expect(try await served.client.call(API.workers) == served.plane.workers())
      #expect(try await served.client.call(API.tables) == served.plane.tables())
      #expect(try await served.client.call(API.verdicts) == served.plane.verdicts())
      #expect(try await served.client.call(API.findings) == served.plane.findings())
      #expect(try await served.client.call(API.examine) == served.plane.examine())
      var metrics = ""
      try await served.client.exchange(.GET, "/metrics") { metrics += String(buffer: $0) }
      #expect(metrics.contains("lvs_frames_total{verdict=\"forwarded\"} 5\n"))
      #expect(metrics.contains("lvs_finding{kind=\"vip_answered\",vip=\"192.0.2.100\",subject=\"192.0.2.11\"} 1\n"))
      #expect(metrics.contains("lvs_table_capacity{table=\"connections\"} 4\n"))
      #expect(metrics.contains("lvs_table_evicted_total{table=\"connections\",kind=\"half_open\"} 2\n"))
      #expect(metrics.contains("lvs_table_refused_total{table=\"connections\"} 5\n"))
      for reason in DropReason.allCases {
        #expect(metrics.contains("lvs_dropped_frames_total{reason=\"\(reason.name)\"} 0\n"))
      }
    }
  }

  @Test("VIPs are given up and taken over by name")
  func takeover() async throws {
    try await Served.run { served in
      let vip = try #require(IPAddress("192.0.2.100"))
      #expect(try await served.client.call(API.release, NamedVIPs([vip])) == served.plane.vips())
      #expect(await served.plane.released == [vip])
      #expect(try await served.client.call(API.takeOver, NamedVIPs([vip])) == served.plane.vips())
      #expect(await served.plane.released == [])
    }
  }

  @Test("A hundred thousand connections are streamed in order, whole lines at a time")
  func connections() async throws {
    try await Served.run(rows: 100_000) { served in
      var count = 0
      var last = Data()
      try await served.client.connectionLines(ConnectionFilter()) { lines in
        #expect(lines.last == UInt8(ascii: "\n"))
        count += lines.count { $0 == UInt8(ascii: "\n") }
        last = lines
      }
      #expect(count == 100_000)
      let expected = ConnectionStatus.jsonLines([MemoryPlane.row(99_999)])
      #expect(last.suffix(expected.count) == Data(expected))
    }
  }

  @Test("A reader that stops in the midst of a listing does not hold up the end of the server")
  func slowReader() async throws {
    try await Served.run(rows: 1_000_000) { served in
      let isReading = AsyncStream<Void>.makeStream()
      Task {
        try await served.client.connectionLines(ConnectionFilter()) { _ in
          isReading.continuation.finish()
          try await Task.sleep(for: .seconds(600))
        }
      }
      for await _ in isReading.stream {}
    }
  }

  @Test("Connections are filtered by what the query says")
  func filtered() async throws {
    try await Served.run(rows: 1000) { served in
      var rows: [ConnectionStatus] = []
      let filter = ConnectionFilter(client: Prefix("10.0.0.0/30"), state: "FIN_WAIT")
      try await served.client.connections(filter) { rows += $0 }
      #expect(rows == [1, 3].map(MemoryPlane.row))
    }
  }

  @Test("A capture ends when its reader goes, and when the server stops")
  func capture() async throws {
    try await Served.run { served in
      struct Enough: Error {}
      await #expect(throws: Enough.self) {
        try await served.client.capture(filter: "tcp port 80") { bytes in
          #expect(bytes == [0xd4, 0xc3, 0xb2, 0xa1])
          throw Enough()
        }
      }
      while await served.plane.captures > 0 { try await Task.sleep(for: .milliseconds(5)) }
      let refusal = await served.refusal { try await $0.capture(filter: "nonsense") { _ in } }
      #expect(refusal?.error == "'nonsense' is not a capture filter")
      // Left running: the graceful shutdown at the end of the test must not wait for it.
      Task { try await served.client.capture(filter: nil) { _ in } }
      while await served.plane.captures == 0 { try await Task.sleep(for: .milliseconds(5)) }
    }
  }

  @Test(
    "A request that there is not, or that cannot be read, is refused in one line",
    arguments: [
      ("/v1/nothing", "there is no GET /v1/nothing"),
      ("/v1/services?service=x", "service: 'x' is not a service such as tcp:192.0.2.1:80 or fwmark:7"),
      ("/v1/connections?client=10.0.0.0/33", "client: '10.0.0.0/33' is not an address range such as 10.0.0.0/8"),
    ])
  func badRequests(_ path: String, _ line: String) async throws {
    try await Served.run { served in
      #expect(await served.refusal { try await $0.exchange(.GET, path) { _ in } }?.error == line)
    }
  }

  @Test("The socket is for its owner only, and gone when the server stops")
  func socketMode() async throws {
    var path = ""
    try await Served.run { served in
      path = served.socket.path
      let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
      #expect(mode == 0o600)
    }
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test("A second server on a live socket is refused, and the first goes on")
  func second() async throws {
    try await Served.run { served in
      let error = await #expect(throws: PlaneError.self) { try await served.server() }
      #expect(error?.description.hasPrefix("another lbd (pid \(getpid())) answers on \(served.socket.path): ") == true)
      let services = try await served.client.services()
      #expect(services.isEmpty)
    }
  }

  @Test("A socket on which another program answers is refused, lock or no lock")
  func stranger() async throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "lbd-\(UUID().uuidString.prefix(8))").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let listener = try listen(at: path)
    defer { close(listener) }
    let error = await #expect(throws: PlaneError.self) { try await ControlSocket(path).claim() }
    #expect(error?.description.hasPrefix("another lbd answers on \(path): ") == true)
  }

  @Test("Of many that claim a socket at once no two get it, and nothing is left")
  func race() async throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "lbd-\(UUID().uuidString.prefix(8))").path
    var won = 0
    for _ in 0..<50 {
      let claims = await withTaskGroup(of: SocketClaim?.self) { group in
        for _ in 0..<13 { group.addTask { try? await ControlSocket(path).claim() } }
        return await group.reduce(into: []) { $0.append($1) }
      }
      let count = claims.compactMap(\.self).count
      // None where a task of the round before still holds its claim.
      #expect(count <= 1)
      won += count
    }
    #expect(won > 0)
    let end = Date.now.addingTimeInterval(30)
    while FileManager.default.fileExists(atPath: "\(path).lock"), Date.now < end {
      try await Task.sleep(for: .milliseconds(5))
    }
    #expect(!FileManager.default.fileExists(atPath: "\(path).lock"))
  }

  @Test("A socket left by a daemon that was killed is replaced")
  func staleSocket() async throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "lbd-\(UUID().uuidString.prefix(8))").path
    try leaveSocket(at: path)
    let nobody = await #expect(throws: ErrorReply.self) {
      try await ControlClient(ControlSocket(path)).call(API.timeouts)
    }
    #expect(nobody?.error.hasPrefix("nobody answers on \(path): is lbd running?") == true)
    try await Served.run(at: ControlSocket(path)) { served in
      let timeouts = try await served.client.call(API.timeouts)
      #expect(timeouts.udp == 300)
    }
  }

  @Test("A daemon that ends in the middle of an answer is told of")
  func brokenOff() async throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "lbd-\(UUID().uuidString.prefix(8))").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let listener = try listen(at: path)
    defer { close(listener) }
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"] {
      let asked = Task { try await ControlClient(ControlSocket(path)).call(API.timeouts) }
      var peer: Int32 = -1
      while peer < 0 {
        try await Task.sleep(for: .milliseconds(5))
        peer = accept(listener, nil, nil)
      }
      // An answer that comes before its question is another fault.
      var question = [UInt8](repeating: 0, count: 4_096)
      while unsafe recv(peer, &question, question.count, Int32(MSG_DONTWAIT)) < 0, errno == EAGAIN {
        try await Task.sleep(for: .milliseconds(5))
      }
      _ = unsafe write(peer, answer, answer.utf8.count)
      close(peer)
      let error = await #expect(throws: ErrorReply.self) { try await asked.value }
      #expect(error?.error == "lbd ended before its answer did")
    }
  }

  /// Binds a socket there, listens, and goes without unlinking it.
  private func leaveSocket(at path: String) throws {
    close(try listen(at: path))
  }

  private func listen(at path: String) throws -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
    let bound = unsafe withUnsafePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    #expect(bound == 0 && Glibc.listen(descriptor, 1) == 0)
    return descriptor
  }

  @Test("A file that is no socket is neither served on nor removed")
  func noSocket() async throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "lbd-\(UUID().uuidString.prefix(8))").path
    try "precious".write(toFile: path, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let error = await #expect(throws: PlaneError.self) { try await ControlSocket(path).claim() }
    #expect(error?.description.hasPrefix("\(path) exists and is not a socket") == true)
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
  }

  @Test("A server that cannot bind its socket says why")
  func noDirectory() async {
    let error = await #expect(throws: PlaneError.self) { try await ControlSocket("/nonexistent/lbd.sock").claim() }
    #expect(
      error?.description == "/nonexistent/lbd.sock cannot be the control socket: No such file or directory")
  }

  @Test("Metrics, and nothing else, are served over TCP")
  func metricsOverTCP() async throws {
    let plane = MemoryPlane()
    let server = MetricsServer(
      address: endpoint("127.0.0.1:19181"),
      core: ControlCore(plane, facilities: plane.facilities, logger: Served.silent), logger: Served.silent)
    let group = ServiceGroup(services: [server], logger: Served.silent)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      var metrics: String?
      while metrics == nil {
        let page = try #require(URL(string: "http://127.0.0.1:19181/metrics"))
        metrics = (try? await URLSession.shared.data(from: page)).map { String(decoding: $0.0, as: UTF8.self) }
        try await Task.sleep(for: .milliseconds(5))
      }
      #expect(metrics?.contains("lvs_frames_total{verdict=\"forwarded\"} 5\n") == true)
      let second = await #expect(throws: PlaneError.self) { try await server.run() }
      #expect(second?.description == "metrics cannot be served on 127.0.0.1:19181: Address already in use")
      await group.triggerGracefulShutdown()
      try await tasks.waitForAll()
    }
  }

  @Test(
    "A socket that cannot be is refused with the reason",
    arguments: [
      ("/nonexistent/lbd.sock", "nobody answers on /nonexistent/lbd.sock: is lbd running?"),
      ("/" + String(repeating: "x", count: 200), "the path is longer than a socket's may be (107 bytes)"),
    ])
  func noAnswer(_ path: String, _ part: String) async {
    let error = await #expect(throws: ErrorReply.self) {
      try await ControlClient(ControlSocket(path)).call(API.timeouts)
    }
    #expect(error?.error.contains(part) == true)
  }
}
