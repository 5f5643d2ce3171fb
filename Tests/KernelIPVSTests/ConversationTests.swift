import IPVSMessages
import LVS
import Testing

@testable import KernelIPVS

private func key(_ text: String) -> ServiceKey { ServiceKey(text)! }
private func endpoint(_ text: String) -> Endpoint { Endpoint(text)! }

private func service(
  _ text: String, _ scheduler: SchedulerName, flags: SchedulerFlags = [], persistence: UInt32? = nil,
  mask: String? = nil, engine: String? = nil, onePacket: Bool = false
) -> Change {
  let key = key(text)
  let netmask = mask.flatMap { Netmask($0) } ?? .host(key.family)
  return .addService(
    VirtualService(
      key, scheduler: scheduler, flags: flags,
      persistence: persistence.map { Persistence(timeout: $0, netmask: netmask) }, persistenceEngine: engine,
      onePacket: onePacket),
    force: false)
}

private func server(
  _ text: String, _ method: ForwardingMethod = .route, weight: Int32 = 1, upper: UInt32 = 0, lower: UInt32 = 0
) -> RealServer {
  RealServer(endpoint(text), method: method, weight: Weight(weight), upperThreshold: upper, lowerThreshold: lower)
}

/// Every recorded conversation of ipvsadm, held again by this program.
@Suite("Conversations with a kernel")
struct ConversationTests {
  static let changes: [(name: String, change: Change)] = [
    ("add-service-tcp", service("tcp:10.1.0.100:80", .wrr)),
    ("add-service-udp-ops", service("udp:10.1.0.100:53", .rr, onePacket: true)),
    ("add-service-sctp", service("sctp:10.1.0.100:5060", .rr)),
    ("add-service-sh", service("tcp:10.1.0.100:8080", .sh, flags: [.fallback, .port], persistence: 60)),
    ("add-service-v6", service("tcp:[2001:db8::1]:443", .mh, flags: [.fallback, .port])),
    ("add-service-fwm", service("fwmark:7", .wlc, persistence: 600, mask: "255.255.255.0")),
    (
      "add-dest-dr", .addServer(server("10.1.1.1:80", weight: 3, upper: 1000, lower: 500), to: key("tcp:10.1.0.100:80"))
    ),
    ("add-dest-dr2", .addServer(server("10.1.1.2:80"), to: key("tcp:10.1.0.100:80"))),
    ("add-dest-masq", .addServer(server("10.1.1.3:8000", .masquerade, weight: 2), to: key("tcp:10.1.0.100:8080"))),
    ("add-dest-ipip", .addServer(server("10.1.1.4:53", .tunnel(Tunnel())), to: key("udp:10.1.0.100:53"))),
    (
      "add-dest-gue",
      .addServer(
        server("10.1.1.5:0", .tunnel(Tunnel(kind: .gue, port: 6080, checksum: .full))), to: key("fwmark:7"))
    ),
    ("add-dest-v6", .addServer(server("[2001:db8::2]:443", weight: 10), to: key("tcp:[2001:db8::1]:443"))),
    ("edit-dest", .updateServer(server("10.1.1.1:80", weight: 0), of: key("tcp:10.1.0.100:80"))),
    ("del-dest", .removeServer(endpoint("10.1.1.2:80"), from: key("tcp:10.1.0.100:80"))),
    ("del-service", .removeService(key("tcp:10.1.0.100:80"))),
  ]

  /// Of what ipvsadm sends to name a service or a server, the kernel reads less.
  private static func compare(_ request: Request, _ recorded: RecordedKernel.Exchange) throws {
    #expect(request.command.rawValue == recorded.command)
    #expect(request.isDump == recorded.isDump)
    let (ours, theirs) = (try tree(request.attributes[...]), try tree(recorded.attributes))
    for (type, value) in ours { #expect(theirs[type] == value, "attribute \(type >> 8).\(type & 255)") }
    let naming: Set<Command> = [.deleteService, .deleteDestination, .newDestination, .setDestination, .getService]
    if !naming.contains(request.command) { #expect(Set(ours.keys) == Set(theirs.keys)) }
    // The destination's own attributes are all there when it is set.
    if [.newDestination, .setDestination].contains(request.command) {
      #expect(Set(ours.keys.filter { $0 >> 8 == 2 }) == Set(theirs.keys.filter { $0 >> 8 == 2 }))
    }
  }

  @Test("A change carries the attributes and values of ipvsadm's", arguments: changes.indices)
  func change(_ index: Int) async throws {
    let (name, change) = Self.changes[index]
    let plane = try await RecordedKernel.plane(name) { request, recorded in
      #expect(throws: Never.self) { try Self.compare(request, recorded) }
    }
    try await plane.carryOut([change])
  }

  @Test("Daemons, timeouts and zero too")
  func others() async throws {
    let check: @Sendable (Request, RecordedKernel.Exchange) -> Void = { request, recorded in
      #expect(throws: Never.self) { try Self.compare(request, recorded) }
    }
    try RecordedKernel.table("daemon-start-master", ours: check)
      .start(SyncDaemon(.master, interface: "d0", syncID: 42))
    try RecordedKernel.table("daemon-start-backup", ours: check)
      .start(SyncDaemon(.backup, interface: "d0", syncID: 42, port: 8848))
    try RecordedKernel.table("daemon-stop", ours: check).stop(SyncDaemon(.master))
    try RecordedKernel.table("set-timeout", ours: check).set(Timeouts(tcp: 100, tcpFin: 20, udp: 30))
    try await RecordedKernel.plane("zero", ours: check).zero(nil)
    let timeouts = try await RecordedKernel.plane("get-timeout", ours: check).timeouts()
    #expect(timeouts == Timeouts(tcp: 900, tcpFin: 120, udp: 300))
    let info = try RecordedKernel.table("zero").info()
    #expect(info == KernelInfo(version: 0x010201, connectionTableSize: 4096))
  }

  @Test("The kernel's refusal is a named one")
  func refusals() async throws {
    let twice = try await RecordedKernel.plane("err-dup-service")
    await #expect(throws: PlaneError.serviceExists(key("udp:10.1.0.100:53"))) {
      try await twice.carryOut([service("udp:10.1.0.100:53", .rr)])
    }
    let engine = try await RecordedKernel.plane("add-service-pe")
    await #expect(throws: PlaneError.self) {
      try await engine.carryOut([service("udp:10.1.0.100:5060", .rr, persistence: 60, engine: "sip")])
    }
  }

  @Test("A listing decodes to the services that were there")
  func listing() async throws {
    let services = try await RecordedKernel.plane("list-services") { request, recorded in
      #expect(throws: Never.self) { try Self.compare(request, recorded) }
    }.status()
    #expect(
      services.map(\.service.key).sorted().map(\.description) == [
        "tcp:10.1.0.100:0", "tcp:10.1.0.100:80", "tcp:10.1.0.100:8080", "udp:10.1.0.100:53", "sctp:10.1.0.100:5060",
        "tcp:[2001:db8::1]:443", "fwmark:7", "fwmark6:8",
      ])
    let sh = try #require(services.first { $0.service.key == key("tcp:10.1.0.100:8080") })
    #expect(sh.service.flags == [.fallback, .port])
    #expect(sh.service.persistence == Persistence(timeout: 60, netmask: .host(.v4)))
    #expect(sh.servers.map(\.server) == [server("10.1.1.3:8000", .masquerade, weight: 2)])
    let marked = try #require(services.first { $0.service.key == key("fwmark:7") })
    #expect(marked.service.persistence?.netmask == Netmask("255.255.255.0"))
    #expect(
      Set(marked.servers.map(\.server.method)) == [
        .tunnel(Tunnel(kind: .gre)), .tunnel(Tunnel(kind: .gue, port: 6080, checksum: .full)),
      ])
    let v6 = try #require(services.first { $0.service.key == key("fwmark6:8") })
    #expect(v6.service.persistence == Persistence(timeout: 300, netmask: .v6(64)))
  }

  @Test("One service decodes with its servers, the newest first")
  func oneService() async throws {
    let status = try #require(try await RecordedKernel.plane("list-one").find(key("tcp:10.1.0.100:80")))
    #expect(status.servers.map(\.server.endpoint.description) == ["10.1.1.2:80", "10.1.1.1:80"])
  }
}
