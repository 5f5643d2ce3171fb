import LVS
import Testing

@testable import Director

/// A diagnosis is made of what was seen, written down here.
@Suite("The doctor's diagnosis")
struct DiagnosisTests {
  private static let vip = IPAddress("10.77.0.100")!
  private static let server = IPAddress("10.77.0.21")!
  private static let serverMAC = MACAddress(0x0200_0000_0301)
  private static let stranger = MACAddress(0x0200_0000_0401)
  private static let end = Endpoint(vip, 80)

  /// All is well.
  private static var healthy: Observation {
    var seen = Observation(
      interface: Interface(
        name: "eth0", index: 2, mac: MACAddress(0x0200_0000_0201), mtu: 1500, isUp: true,
        addresses: [Prefix.Interface(IPAddress("10.77.0.2")!, length: 24)]))
    seen.vips = [VIPStatus(address: vip, state: .owned)]
    seen.servers = [Observation.Server(address: server, mac: serverMAC)]
    seen.probes = [ProbeResult(server: server, virtual: end, outcome: .fine, answersSmall: true, answersLarge: true)]
    return seen
  }

  private static func seen(_ change: (inout Observation) -> Void) -> Observation {
    var seen = healthy
    change(&seen)
    return seen
  }

  private static func probed(_ outcome: ProbeResult.Outcome) -> Observation {
    seen { $0.probes[0].outcome = outcome }
  }

  private static func claimed(_ manner: VIPClaim.Manner, by station: MACAddress) -> Observation {
    seen { $0.claims = [VIPClaim(vip: vip, station: station, manner: manner)] }
  }

  /// A service whose servers got these many connections and packets.
  private static func spread(
    _ scheduler: String, persistence: Persistence? = nil, weights: [Int32] = [1, 1, 1], connections: [UInt64],
    packets: [UInt64] = [1, 1, 1]
  ) -> Observation {
    seen { seen in
      var service = VirtualService(.endpoint(.tcp, end), scheduler: SchedulerName(rawValue: scheduler))
      service.persistence = persistence
      let servers = (0..<3).map { index in
        ServerStatus(
          server: RealServer(Endpoint(IPAddress(v4: server.v4 + UInt32(index)), 80), weight: Weight(weights[index])),
          statistics: Statistics(connections: connections[index], packets: packets[index]))
      }
      seen.services = [ServiceStatus(service: service, servers: servers)]
    }
  }

  struct Case: Sendable {
    let kind: Finding.Kind
    let subject: String
    /// What the fix says.
    let fix: String
    let seen: Observation
  }

  @Test("A VIP that another director has is no finding")
  func standby() {
    var seen = Self.seen { $0.vips = [VIPStatus(address: Self.vip, state: .contested, otherOwner: Self.stranger)] }
    seen.peers = [Self.stranger]
    #expect(seen.findings.isEmpty)
  }

  static let cases: [Case] = [
    Case(
      kind: .vipAnswered, subject: "10.77.0.21", fix: "on 10.77.0.21: lbctl real-server setup --vip 10.77.0.100",
      seen: claimed(.answers, by: serverMAC)),
    Case(kind: .vipAnswered, subject: "02:00:00:00:04:01", fix: "proxy_arp=0", seen: claimed(.answers, by: stranger)),
    Case(kind: .vipAnnounced, subject: "10.77.0.21", fix: "arp_announce=2", seen: claimed(.announces, by: serverMAC)),
    Case(kind: .vipAsSender, subject: "10.77.0.21", fix: "arp_announce=2", seen: claimed(.asks, by: serverMAC)),
    Case(
      kind: .vipContested, subject: "02:00:00:00:04:01", fix: "lbctl takeover 10.77.0.100",
      seen: seen { $0.vips = [VIPStatus(address: vip, state: .contested, otherOwner: stranger)] }),
    Case(
      kind: .vipOnHost, subject: "lo", fix: "ip address del 10.77.0.100/32 dev lo",
      seen: seen { $0.host.addresses = [vip: "lo"] }),
    Case(
      kind: .serverUnresolved, subject: "10.77.0.21", fix: "drain-rs",
      seen: seen { $0.servers = [Observation.Server(address: server, isFailed: true)] }),
    Case(
      kind: .serverElsewhere, subject: "10.99.0.1", fix: "lbd --interface",
      seen: seen { $0.servers = [Observation.Server(address: IPAddress("10.99.0.1")!, isFailed: true)] }),
    Case(
      kind: .serverShared, subject: "02:00:00:00:03:01", fix: "proxy_arp=0",
      seen: seen { $0.servers.append(Observation.Server(address: IPAddress("10.77.0.22")!, mac: serverMAC)) }),
    Case(
      kind: .serverDuplicate, subject: "10.77.0.21", fix: "--mac 02:00:00:00:03:01",
      seen: seen { $0.servers[0].rival = stranger }),
    Case(kind: .serverRefuses, subject: "10.77.0.21", fix: "10.77.0.100:80", seen: probed(.refused)),
    Case(kind: .serverFiltered, subject: "10.77.0.21", fix: "allow port 80", seen: probed(.filtered)),
    Case(kind: .serverWithoutVIP, subject: "10.77.0.21", fix: "real-server setup", seen: probed(.withoutVIP)),
    Case(kind: .serverSilent, subject: "10.77.0.21", fix: "ip link", seen: probed(.silent)),
    Case(
      kind: .serverUnanswering, subject: "10.77.0.21:80", fix: "--client 192.0.2.9",
      seen: seen {
        $0.waiting = [
          HalfOpenCount.Wait(
            client: IPAddress("192.0.2.9")!, server: Endpoint(server, 80), virtual: end, count: 3, repeated: 1)
        ]
      }),
    Case(kind: .serverMTU, subject: "10.77.0.21", fix: "mtu 1500", seen: seen { $0.probes[0].answersLarge = false }),
    Case(
      kind: .ipForward, subject: "net.ipv4.ip_forward", fix: "sysctl -w net.ipv4.ip_forward=0",
      seen: seen { ($0.host.forwards, $0.host.isGuarded) = ([.v4], false) }),
    Case(
      kind: .reversePathFilter, subject: "eth0", fix: "net.ipv4.conf.eth0.rp_filter=2",
      seen: seen { seen in
        seen.host.reversePathFilter = 1
        seen.vips.append(VIPStatus(address: IPAddress("10.98.0.1")!, state: .owned))
      }),
    Case(
      kind: .largeReceive, subject: "eth0", fix: "ethtool -K eth0 lro off", seen: seen { $0.host.mergesFrames = true }),
    Case(
      kind: .hiddenTags, subject: "eth0", fix: "ethtool -K eth0 rxvlan off", seen: seen { $0.host.hidesTags = true }),
    Case(kind: .interfaceDown, subject: "eth0", fix: "ip link set eth0 up", seen: seen { $0.interface.isUp = false }),
    Case(
      kind: .disconnected, subject: "eth0", fix: "its MTU", seen: seen { $0.disconnection = "its MTU is too large" }),
    Case(kind: .noAddress, subject: "eth0", fix: "--address", seen: seen { $0.interface.addresses = [] }),
    Case(
      kind: .flooding, subject: "02:00:00:00:04:01", fix: "ageing_time", seen: seen { $0.foreign = [stranger: 100] }),
    Case(
      kind: .uneven, subject: "10.77.0.22:80", fix: "-p 60",
      seen: spread("rr", persistence: Persistence(timeout: 300, netmask: .host(.v4)), connections: [10, 200, 10])),
    Case(
      kind: .uneven, subject: "10.77.0.22:80", fix: "-M 255.255.255.255",
      seen: spread("rr", persistence: Persistence(timeout: 60, netmask: .v4(0xffff_ff00)), connections: [10, 200, 10])),
    Case(
      kind: .uneven, subject: "10.77.0.22:80", fix: "without -p",
      seen: spread("rr", persistence: Persistence(timeout: 60, netmask: .host(.v4)), connections: [10, 200, 10])),
    Case(kind: .uneven, subject: "10.77.0.22:80", fix: "-s wlc", seen: spread("sh", connections: [10, 200, 10])),
    Case(
      kind: .uneven, subject: "10.77.0.21:80", fix: "-s wrr",
      seen: spread("rr", weights: [1, 10, 10], connections: [100, 100, 100])),
    Case(
      kind: .uneven, subject: "10.77.0.23:80", fix: "limit the requests",
      seen: spread("wlc", connections: [100, 100, 100], packets: [1_000, 1_000, 50_000])),
  ]

  @Test("finds each thing that is wrong, and that alone, with its fix", arguments: cases)
  func finds(one: Case) throws {
    let findings = one.seen.findings
    #expect(findings.map(\.kind) == [one.kind])
    let finding = try #require(findings.first)
    #expect(finding.subject == one.subject)
    #expect(finding.fix.contains(one.fix), "\(finding.fix)")
    #expect(!finding.seen.isEmpty && !finding.why.isEmpty)
  }

  static let healthyCases: [Observation] = [
    healthy, seen { ($0.host.forwards, $0.host.isGuarded) = ([.v4, .v6], true) },
    seen { $0.host.reversePathFilter = 1 }, seen { $0.foreign = [stranger: 3] }, probed(.unsent),
    seen { $0.servers = [Observation.Server(address: server)] },
    seen { $0.vips = [VIPStatus(address: vip, state: .released)] }, spread("rr", connections: [100, 101, 100]),
    spread("sh", connections: [0, 20, 0]),
    spread("wrr", weights: [1, 1, 8], connections: [10, 10, 80], packets: [20, 20, 160]),
  ]

  @Test("finds nothing where all is well", arguments: healthyCases.indices)
  func healthy(index: Int) {
    #expect(Self.healthyCases[index].findings == [])
  }

  @Test("A client waits for one server where others answer it, and nobody who is invented waits")
  func waiting() {
    typealias Row = (row: ConnectionStatus, packets: UInt32)
    func row(
      _ client: String, _ server: UInt32, _ state: String, packets: UInt32 = 1, expires: UInt32 = 9
    ) -> Row {
      let status = ConnectionStatus(
        transport: "tcp", client: Endpoint(IPAddress(client)!, 1024), virtual: Self.end,
        server: Endpoint(IPAddress(v4: Self.server.v4 + server), 80), state: state, expires: expires, isTemplate: false)
      return (status, packets)
    }
    let count = HalfOpenCount()
    let flood = (1...200).map { row("198.51.100.\($0)", 0, "SYN_RECV") }
    let client = [row("192.0.2.9", 1, "ESTABLISHED")] + (0..<3).map { _ in row("192.0.2.9", 0, "SYN_RECV") }
    let busy = [row("192.0.2.8", 0, "FIN_WAIT")] + (0..<5).map { _ in row("192.0.2.8", 0, "SYN_RECV") }
    let unlucky = [row("192.0.2.7", 1, "TIME_WAIT"), row("192.0.2.7", 0, "SYN_RECV"), row("192.0.2.7", 0, "SYN_RECV")]
    let refused = [row("192.0.2.6", 0, "ESTABLISHED")] + (0..<4).map { _ in row("192.0.2.6", 1, "SYN_RECV") }
    // A moment ago: they may yet be answered.
    let young = [row("192.0.2.5", 1, "ESTABLISHED")] + (0..<4).map { _ in row("192.0.2.5", 0, "SYN_RECV", expires: 59) }
    let again = [row("192.0.2.9", 0, "SYN_RECV", packets: 3)]
    let rows: [Row] = flood + client + busy + unlucky + refused + young + again
    #expect(count.add(rows))
    #expect(
      count.waits == [
        HalfOpenCount.Wait(
          client: IPAddress("192.0.2.9")!, server: Endpoint(Self.server, 80), virtual: Self.end, count: 4, repeated: 1),
        HalfOpenCount.Wait(
          client: IPAddress("192.0.2.6")!, server: Endpoint(IPAddress(v4: Self.server.v4 + 1), 80), virtual: Self.end,
          count: 4, repeated: 0),
      ])
  }

  @Test("tells the same trouble once, and once when it is over")
  func appears() throws {
    let findings = Findings()
    var finding = try #require(Self.seen { $0.foreign = [Self.stranger: 100] }.findings.first)
    #expect(findings.replace([finding]).appeared == [finding])
    finding.seen = "other figures"
    #expect(findings.replace([finding]).appeared.isEmpty)
    #expect(findings.present == [finding])
    #expect(findings.replace([]).cured == [finding])
  }
}
