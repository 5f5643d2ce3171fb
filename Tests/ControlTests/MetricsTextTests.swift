import LVS
import Testing

@testable import Control

@Suite("Metrics")
struct MetricsTextTests {
  @Test("Counters stand in the Prometheus format, one HELP and TYPE for each name")
  func text() {
    let metrics = MetricsText(
      services: [
        ServiceStatus(
          service: VirtualService(key("tcp:192.0.2.100:80")),
          statistics: Statistics(connections: 2, packets: 9, bytes: 400),
          servers: [
            ServerStatus(
              server: RealServer(endpoint("192.0.2.11:80"), weight: 3), activeConnections: 1, inactiveConnections: 4,
              persistentConnections: 6, isOverloaded: true,
              statistics: Statistics(connections: 2, packets: 9, bytes: 400),
              resolvedMAC: MACAddress(1))
          ])
      ],
      verdicts: VerdictCounts(
        forwarded: 9, answered: 1, passed: 3, held: 2, dropped: ["no_server": 5, "hop_limit": 0]),
      workers: [
        WorkerStatus(
          id: 0, frames: 20, batches: 4, ringFill: 3, ringSize: 4096, ringDrops: 1, handedOver: 6, offloaded: 7,
          transmitErrors: 2,
          connections: 5, load: 0.25)
      ],
      neighbors: [NeighborStatus(address: IPAddress("192.0.2.11")!, mac: nil, state: .incomplete, confirmed: nil)],
      vips: [VIPStatus(address: IPAddress("192.0.2.100")!, state: .owned)])
    #expect(metrics.text == expected)
  }

  @Test("Names are snake_case in base units, and end in _total where they only grow")
  func names() {
    let web = ServiceDefinition(
      VirtualService(key("tcp:192.0.2.100:80")), servers: [RealServer(endpoint("192.0.2.11:80"))])
    let metrics = MetricsText(
      services: [ServiceStatus(service: web.service, servers: web.servers.map { ServerStatus(server: $0) })],
      verdicts: VerdictCounts(dropped: ["no_server": 5]), workers: [WorkerStatus(id: 0)],
      tables: [TableStatus(.connections, entries: 1, capacity: 2, evicted: ["half_open": 1])],
      health: [ServiceHealth(web, .normal, [:])],
      sync: SyncStatus(
        daemons: [SyncDaemon(.master)], sent: ["records": 1], datagrams: ["good": 1], records: ["good": 1]))
    let types = metrics.text.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }.map { $0.split(separator: " ") }
    #expect(types.count > 30)
    for type in types {
      #expect(type[2].wholeMatch(of: /lvs(_[a-z]+)+/) != nil, "\(type[2])")
      #expect(type[2].hasSuffix("_total") == (type[3] == "counter"), "\(type[2])")
      #expect(type[2].firstMatch(of: /milli|micro|nano|kilo|percent|minutes/) == nil, "\(type[2])")
    }
  }

  @Test("Nothing to tell is an empty text")
  func empty() {
    #expect(MetricsText().text.isEmpty)
  }

  private let expected = """
    # HELP lvs_service_servers Real servers of the service.
    # TYPE lvs_service_servers gauge
    lvs_service_servers{service="tcp:192.0.2.100:80"} 1
    # HELP lvs_service_connections_total Connections scheduled.
    # TYPE lvs_service_connections_total counter
    lvs_service_connections_total{service="tcp:192.0.2.100:80"} 2
    # HELP lvs_service_packets_total Packets from clients.
    # TYPE lvs_service_packets_total counter
    lvs_service_packets_total{service="tcp:192.0.2.100:80"} 9
    # HELP lvs_service_bytes_total Bytes from clients, IP headers included.
    # TYPE lvs_service_bytes_total counter
    lvs_service_bytes_total{service="tcp:192.0.2.100:80"} 400
    # HELP lvs_server_connections_total Connections given to the server.
    # TYPE lvs_server_connections_total counter
    lvs_server_connections_total{service="tcp:192.0.2.100:80",server="192.0.2.11:80"} 2
    # HELP lvs_server_packets_total Packets sent to the server.
    # TYPE lvs_server_packets_total counter
    lvs_server_packets_total{service="tcp:192.0.2.100:80",server="192.0.2.11:80"} 9
    # HELP lvs_server_bytes_total Bytes sent to the server, IP headers included.
    # TYPE lvs_server_bytes_total counter
    lvs_server_bytes_total{service="tcp:192.0.2.100:80",server="192.0.2.11:80"} 400
    # HELP lvs_server_active_connections Established connections.
    # TYPE lvs_server_active_connections gauge
    lvs_server_active_connections{service="tcp:192.0.2.100:80",server="192.0.2.11:80"} 1
    # HELP lvs_server_inactive_connections Connections in any other state.
    # TYPE lvs_server_inactive_connections gauge
    lvs_server_inactive_connections{service="tcp:192.0.2.100:80",server="192.0.2.11:80"} 4
    # HELP lvs_server_persistent_connections Persistence templates.
    # TYPE lvs_server_persistent_connections gauge
    lvs_server_persistent_connections{service="tcp:192.0.2.100:80",server="192.0.2.11:80"} 6
    # HELP lvs_server_weight Weight; 0 is quiesced.
    # TYPE lvs_server_weight gauge
    lvs_server_weight{service="tcp:192.0.2.100:80",server="192.0.2.11:80"} 3
    # HELP lvs_server_overloaded 1 above the upper threshold.
    # TYPE lvs_server_overloaded gauge
    lvs_server_overloaded{service="tcp:192.0.2.100:80",server="192.0.2.11:80"} 1
    # HELP lvs_server_resolved 1 where the Ethernet address is known.
    # TYPE lvs_server_resolved gauge
    lvs_server_resolved{service="tcp:192.0.2.100:80",server="192.0.2.11:80"} 1
    # HELP lvs_frames_total Frames by verdict.
    # TYPE lvs_frames_total counter
    lvs_frames_total{verdict="forwarded"} 9
    lvs_frames_total{verdict="answered"} 1
    lvs_frames_total{verdict="passed"} 3
    lvs_frames_total{verdict="held"} 2
    # HELP lvs_dropped_frames_total Frames dropped, by reason.
    # TYPE lvs_dropped_frames_total counter
    lvs_dropped_frames_total{reason="hop_limit"} 0
    lvs_dropped_frames_total{reason="no_server"} 5
    # HELP lvs_worker_frames_total Frames that the worker handled.
    # TYPE lvs_worker_frames_total counter
    lvs_worker_frames_total{worker="0"} 20
    # HELP lvs_worker_batches_total Batches in which the frames came.
    # TYPE lvs_worker_batches_total counter
    lvs_worker_batches_total{worker="0"} 4
    # HELP lvs_worker_ring_fill Most frames that waited at once within the last second.
    # TYPE lvs_worker_ring_fill gauge
    lvs_worker_ring_fill{worker="0"} 3
    # HELP lvs_worker_ring_size Frames that can wait.
    # TYPE lvs_worker_ring_size gauge
    lvs_worker_ring_size{worker="0"} 4096
    # HELP lvs_worker_ring_drops_total Frames lost because the ring was full.
    # TYPE lvs_worker_ring_drops_total counter
    lvs_worker_ring_drops_total{worker="0"} 1
    # HELP lvs_worker_offloaded_total Frames that the kernel forwarded by itself.
    # TYPE lvs_worker_offloaded_total counter
    lvs_worker_offloaded_total{worker="0"} 7
    # HELP lvs_worker_handed_over_total Frames given to the worker that owns them.
    # TYPE lvs_worker_handed_over_total counter
    lvs_worker_handed_over_total{worker="0"} 6
    # HELP lvs_worker_transmit_errors_total Frames that the kernel would not send.
    # TYPE lvs_worker_transmit_errors_total counter
    lvs_worker_transmit_errors_total{worker="0"} 2
    # HELP lvs_worker_connections Connections that the worker owns.
    # TYPE lvs_worker_connections gauge
    lvs_worker_connections{worker="0"} 5
    # HELP lvs_worker_load Share of the last second spent working, 0 to 1.
    # TYPE lvs_worker_load gauge
    lvs_worker_load{worker="0"} 0.25
    # HELP lvs_neighbor_state 1 for the state that the real server's address is in.
    # TYPE lvs_neighbor_state gauge
    lvs_neighbor_state{address="192.0.2.11",state="incomplete"} 1
    # HELP lvs_vip_state 1 for the state that the VIP is in.
    # TYPE lvs_vip_state gauge
    lvs_vip_state{address="192.0.2.100",state="owned"} 1

    """
}
