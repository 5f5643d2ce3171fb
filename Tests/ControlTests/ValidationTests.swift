import LVS
import Testing

@Suite("Validation")
struct ValidationTests {
  static let tcp = key("tcp:192.0.2.100:80")
  static let mask = Persistence(netmask: .host(.v4))

  @Test(
    "A service that could be is accepted",
    arguments: [
      VirtualService(tcp), VirtualService(tcp, scheduler: .none),
      VirtualService(key("tcp:192.0.2.100:0"), persistence: mask), VirtualService(key("fwmark:7")),
      VirtualService(tcp, persistence: Persistence(timeout: 2_678_400, netmask: .v4(0xff00_ff00))),
      VirtualService(key("udp:192.0.2.100:53"), onePacket: true), VirtualService(key("fwmark:7"), onePacket: true),
      VirtualService(key("fwmark6:7"), persistence: Persistence(netmask: .v6(1))),
      VirtualService(key("udp:192.0.2.100:5060"), persistence: mask, persistenceEngine: "sip"),
    ])
  func goodService(_ service: VirtualService) throws {
    try service.validate()
  }

  @Test(
    "A service that could not be is refused in one line",
    arguments: [
      (
        VirtualService(key("tcp:192.0.2.100:0")),
        "port 0 (every port of 192.0.2.100) needs persistence: give a port, or add -p"
      ),
      (VirtualService(key("tcp:224.0.0.1:80")), "the VIP 224.0.0.1 is not a unicast address"),
      (
        VirtualService(tcp, flags: SchedulerFlags(rawValue: 1)),
        "scheduler flags 0x1 are not among flag-1, flag-2, flag-3"
      ),
      (
        VirtualService(tcp, persistence: Persistence(timeout: 0, netmask: .host(.v4))),
        "persistence of 0 s is not in 1 to 2678400 s"
      ),
      (VirtualService(tcp, persistence: Persistence(netmask: .v4(0))), "netmask 0.0.0.0 tells no client from another"),
      (
        VirtualService(tcp, persistence: Persistence(netmask: .v6(24))),
        "netmask 24 is not IPv4's, as tcp:192.0.2.100:80 needs: such as 255.255.255.0"
      ),
      (
        VirtualService(key("fwmark6:7"), persistence: mask),
        "netmask 255.255.255.255 is not IPv6's, as fwmark6:7 needs: a prefix length such as 64"
      ),
      (
        VirtualService(key("fwmark6:7"), persistence: Persistence(netmask: .v6(129))),
        "prefix length 129 is not in 1 to 128"
      ),
      (VirtualService(tcp, onePacket: true), "one-packet scheduling (-o) is for UDP, and tcp:192.0.2.100:80 is not"),
      (VirtualService(tcp, persistenceEngine: "sip"), "a persistence engine (--pe) needs persistence: add -p"),
      (
        VirtualService(tcp, persistence: mask, persistenceEngine: "pip"),
        "unknown persistence engine 'pip' (sip is the only one)"
      ),
    ])
  func badService(_ service: VirtualService, _ line: String) {
    let error = #expect(throws: PlaneError.self) { try service.validate() }
    #expect(error?.description == line)
  }

  @Test("An unknown scheduler is refused with the names that there are")
  func unknownScheduler() {
    let error = #expect(throws: PlaneError.self) {
      try VirtualService(Self.tcp, scheduler: SchedulerName(rawValue: "foo")).validate()
    }
    #expect(
      error?.description
        == "unknown scheduler 'foo' (there are rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf, twos)")
  }

  static let name = endpoint("192.0.2.11:80")

  @Test(
    "A server that could be is accepted",
    arguments: [
      RealServer(name), RealServer(name, weight: 65535), RealServer(name, upperThreshold: 5, lowerThreshold: 5),
      RealServer(name, mac: MACAddress(0x0200_0000_0001)), RealServer(name, weight: Weight(3, isDrained: true)),
      RealServer(endpoint("[2001:db8::1]:80"), method: .tunnel(Tunnel())), RealServer(name, method: .masquerade),
    ])
  func goodServer(_ server: RealServer) throws {
    try server.validate(in: Self.tcp)
  }

  @Test(
    "A server that could not be is refused in one line",
    arguments: [
      (RealServer(name, weight: -1), "weight -1 is not in 0 to 65535"),
      (RealServer(name, weight: 65536), "weight 65536 is not in 0 to 65535"),
      (RealServer(name, upperThreshold: 5, lowerThreshold: 6), "the lower threshold 6 is above the upper threshold 5"),
      (RealServer(name, upperThreshold: 1 << 31), "threshold 2147483648 is not in 0 to 2147483647"),
      (RealServer(endpoint("239.0.0.1:80")), "the real server's address 239.0.0.1 is not a unicast address"),
      (
        RealServer(endpoint("[2001:db8::1]:80")),
        "the real server 2001:db8::1 is not of the same address family as tcp:192.0.2.100:80"
      ),
      (RealServer(name, mac: .broadcast), "ff:ff:ff:ff:ff:ff is not the address of a station"),
      (
        RealServer(name, method: .masquerade, mac: MACAddress(0x0200_0000_0001)),
        "an Ethernet address (--mac) is for direct routing (-g)"
      ),
      (RealServer(name, method: .tunnel(Tunnel(kind: .gue))), "a GUE tunnel needs a port (--tun-port)"),
      (RealServer(name, method: .local), "the method local cannot be asked for: use route, tunnel or masquerade"),
    ])
  func badServer(_ server: RealServer, _ line: String) {
    let error = #expect(throws: PlaneError.self) { try server.validate(in: Self.tcp) }
    #expect(error?.description == line)
  }

  @Test(
    "A server's port is the service's in direct routing, and elsewhere where it is 0",
    arguments: [
      ("tcp:192.0.2.100:80", ForwardingMethod.route, 8080, 80), ("tcp:192.0.2.100:80", .tunnel(Tunnel()), 8080, 80),
      ("tcp:192.0.2.100:80", .masquerade, 8080, 8080), ("tcp:192.0.2.100:80", .masquerade, 0, 80),
      ("fwmark:7", .route, 8080, 8080), ("fwmark:7", .route, 0, 0),
    ] as [(String, ForwardingMethod, UInt16, UInt16)])
  func placed(_ service: String, _ method: ForwardingMethod, _ port: UInt16, _ placed: UInt16) {
    let server = RealServer(Endpoint(Self.name.address, port), method: method)
    #expect(server.placed(in: key(service)).endpoint.port == placed)
  }
}
