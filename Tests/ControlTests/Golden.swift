import Foundation
import LVS
import Testing

/// What ipvsadm 1.31 printed for `sampleServices`, without the line of the command.
func golden(_ name: String) throws -> String {
  let file = try #require(Bundle.module.url(forResource: name, withExtension: "txt", subdirectory: "Golden"))
  let text = try String(contentsOf: file, encoding: .utf8)
  return String(text[text.index(after: try #require(text.firstIndex(of: "\n")))...])
}

func key(_ text: String) -> ServiceKey { ServiceKey(text)! }
func endpoint(_ text: String) -> Endpoint { Endpoint(text)! }

/// The services that the golden listings were recorded with, in no particular order.
let sampleServices: [ServiceStatus] = {
  func server(_ text: String, _ method: ForwardingMethod = .route, weight: Int32 = 1) -> ServerStatus {
    ServerStatus(server: RealServer(endpoint(text), method: method, weight: Weight(weight)))
  }
  let counted = Statistics(connections: 5, packets: 15, bytes: 600)
  let rated = Rates(packets: 1, bytes: 32)
  var busy = server("10.1.1.2:80")
  (busy.activeConnections, busy.persistentConnections, busy.statistics, busy.rates) = (5, 5, counted, rated)
  let fullMask = Netmask.host(.v4)
  return [
    ServiceStatus(
      service: VirtualService(
        key("fwmark6:8"), scheduler: .rr, persistence: Persistence(timeout: 300, netmask: .v6(64)))),
    ServiceStatus(
      service: VirtualService(
        key("fwmark:7"), persistence: Persistence(timeout: 600, netmask: Netmask("255.255.255.0")!)),
      servers: [
        server("10.1.1.6:0", .tunnel(Tunnel(kind: .gre))),
        server("10.1.1.5:0", .tunnel(Tunnel(kind: .gue, port: 6080, checksum: .full))),
      ]),
    ServiceStatus(
      service: VirtualService(key("tcp:[2001:db8::1]:443"), scheduler: .mh, flags: [.fallback, .port]),
      servers: [server("[2001:db8::2]:443", weight: 10)]),
    ServiceStatus(service: VirtualService(key("sctp:10.1.0.100:5060"), scheduler: .rr)),
    ServiceStatus(
      service: VirtualService(key("udp:10.1.0.100:53"), scheduler: .rr, onePacket: true),
      servers: [server("10.1.1.4:53", .tunnel(Tunnel()))]),
    ServiceStatus(
      service: VirtualService(
        key("tcp:10.1.0.100:8080"), scheduler: .sh, flags: [.fallback, .port],
        persistence: Persistence(timeout: 60, netmask: fullMask)),
      servers: [server("10.1.1.3:8000", .masquerade, weight: 2)]),
    ServiceStatus(
      service: VirtualService(key("tcp:10.1.0.100:80"), persistence: Persistence(timeout: 120, netmask: fullMask)),
      statistics: counted, rates: rated, servers: [busy, server("10.1.1.1:80", weight: 0)]),
    ServiceStatus(
      service: VirtualService(
        key("tcp:10.1.0.100:0"), scheduler: .lc, persistence: Persistence(timeout: 360, netmask: fullMask))),
  ]
}()
