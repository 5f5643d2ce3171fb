import LVS

/// The Prometheus text format (version 0.0.4) of what a director has to tell.
public struct MetricsText: Sendable {
  public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  public private(set) var text = ""

  public init(
    services: [ServiceStatus] = [], verdicts: VerdictCounts? = nil, workers: [WorkerStatus] = [],
    neighbors: [NeighborStatus] = [], vips: [VIPStatus] = [], findings: [Finding] = [], tables: [TableStatus] = [],
    health: [ServiceHealth] = [], sync: SyncStatus? = nil
  ) {
    addServices(services)
    addServers(services)
    if let verdicts { addVerdicts(verdicts) }
    addWorkers(workers)
    addStates(neighbors: neighbors, vips: vips)
    addTables(tables)
    addHealth(health)
    if let sync { addSync(sync) }
    add(
      "lvs_finding", "gauge", "1 for each thing found that breaks direct routing.",
      findings.map { ([("kind", $0.kind.rawValue), ("vip", $0.vip ?? ""), ("subject", $0.subject)], "1") })
  }

  private typealias Sample = (labels: [(String, String)], value: String)

  private mutating func add(_ name: String, _ type: String, _ help: String, _ samples: [Sample]) {
    if samples.isEmpty { return }
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    for sample in samples {
      let labels = sample.labels.map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",")
      text += labels.isEmpty ? "\(name) \(sample.value)\n" : "\(name){\(labels)} \(sample.value)\n"
    }
  }

  private static func escaped(_ value: String) -> String {
    value.map { character in
      switch character {
      case "\\": "\\\\"
      case "\"": "\\\""
      case "\n": "\\n"
      default: String(character)
      }
    }.joined()
  }

  private mutating func addServices(_ services: [ServiceStatus]) {
    func each(_ value: (ServiceStatus) -> some BinaryInteger) -> [Sample] {
      services.map { ([("service", $0.service.key.description)], String(value($0))) }
    }
    add("lvs_service_servers", "gauge", "Real servers of the service.", each { $0.servers.count })
    add("lvs_service_connections_total", "counter", "Connections scheduled.", each { $0.statistics.connections })
    add("lvs_service_packets_total", "counter", "Packets from clients.", each { $0.statistics.packets })
    add("lvs_service_bytes_total", "counter", "Bytes from clients, IP headers included.", each { $0.statistics.bytes })
  }

  private mutating func addServers(_ services: [ServiceStatus]) {
    func each(_ value: (ServerStatus) -> some BinaryInteger) -> [Sample] {
      services.flatMap { service in
        service.servers.map { server in
          let labels = [
            ("service", service.service.key.description), ("server", server.server.endpoint.description),
          ]
          return (labels, String(value(server)))
        }
      }
    }
    add(
      "lvs_server_connections_total", "counter", "Connections given to the server.", each { $0.statistics.connections })
    add("lvs_server_packets_total", "counter", "Packets sent to the server.", each { $0.statistics.packets })
    add(
      "lvs_server_bytes_total", "counter", "Bytes sent to the server, IP headers included.",
      each { $0.statistics.bytes })
    add("lvs_server_active_connections", "gauge", "Established connections.", each { $0.activeConnections })
    add("lvs_server_inactive_connections", "gauge", "Connections in any other state.", each { $0.inactiveConnections })
    add("lvs_server_persistent_connections", "gauge", "Persistence templates.", each { $0.persistentConnections })
    add("lvs_server_weight", "gauge", "Weight; 0 is quiesced.", each { $0.effectiveWeight })
    add("lvs_server_overloaded", "gauge", "1 above the upper threshold.", each { $0.isOverloaded ? 1 : 0 })
    add(
      "lvs_server_resolved", "gauge", "1 where the Ethernet address is known.", each { $0.resolvedMAC == nil ? 0 : 1 })
  }

  private mutating func addVerdicts(_ verdicts: VerdictCounts) {
    let counts = [
      ("forwarded", verdicts.forwarded), ("answered", verdicts.answered), ("passed", verdicts.passed),
      ("held", verdicts.held),
    ]
    add("lvs_frames_total", "counter", "Frames by verdict.", counts.map { ([("verdict", $0)], String($1)) })
    add(
      "lvs_dropped_frames_total", "counter", "Frames dropped, by reason.",
      verdicts.dropped.sorted { $0.key < $1.key }.map { ([("reason", $0)], String($1)) })
  }

  private mutating func addWorkers(_ workers: [WorkerStatus]) {
    func each(_ value: (WorkerStatus) -> some CustomStringConvertible) -> [Sample] {
      workers.map { ([("worker", String($0.id))], value($0).description) }
    }
    add("lvs_worker_frames_total", "counter", "Frames that the worker handled.", each(\.frames))
    add("lvs_worker_batches_total", "counter", "Batches in which the frames came.", each(\.batches))
    add("lvs_worker_ring_fill", "gauge", "Most frames that waited at once within the last second.", each(\.ringFill))
    add("lvs_worker_ring_size", "gauge", "Frames that can wait.", each(\.ringSize))
    add("lvs_worker_ring_drops_total", "counter", "Frames lost because the ring was full.", each(\.ringDrops))
    add(
      "lvs_worker_offloaded_total", "counter", "Frames that the kernel forwarded by itself.", each(\.offloaded))
    add("lvs_worker_handed_over_total", "counter", "Frames given to the worker that owns them.", each(\.handedOver))
    add("lvs_worker_transmit_errors_total", "counter", "Frames that the kernel would not send.", each(\.transmitErrors))
    add("lvs_worker_connections", "gauge", "Connections that the worker owns.", each(\.connections))
    add("lvs_worker_load", "gauge", "Share of the last second spent working, 0 to 1.", each(\.load))
  }

  private mutating func addTables(_ tables: [TableStatus]) {
    func each(_ value: (TableStatus) -> UInt64) -> [Sample] {
      tables.map { ([("table", $0.name.rawValue)], String(value($0))) }
    }
    add("lvs_table_entries", "gauge", "Entries of the whole table, of all workers together.", each(\.entries))
    add("lvs_table_capacity", "gauge", "The most entries that the whole table can have.", each(\.capacity))
    add(
      "lvs_table_evicted_total", "counter", "Entries that were ended early so that new ones had room.",
      tables.flatMap { table in
        table.evicted.sorted { $0.key < $1.key }.map {
          ([("table", table.name.rawValue), ("kind", $0.key)], String($0.value))
        }
      })
    add("lvs_table_refused_total", "counter", "New entries for which there was no room.", each(\.refused))
  }

  private mutating func addHealth(_ services: [ServiceHealth]) {
    func each(_ samples: (WatchedServerStatus) -> [Sample]) -> [Sample] {
      services.flatMap { service in
        service.servers.flatMap { server in
          samples(server).map {
            ([("service", "\(service.service)"), ("server", "\(server.address)")] + $0.labels, $0.value)
          }
        }
      }
    }
    add(
      "lvs_service_farm_state", "gauge", "1 for what the health of its servers makes of the service.",
      services.map { ([("service", "\($0.service)"), ("state", $0.state.rawValue)], "1") })
    add(
      "lvs_server_health", "gauge", "1 for the state that the checks see the server in.",
      each { [([("state", $0.state.rawValue)], "1")] })
    add(
      "lvs_check_attempts_total", "counter", "Attempts of the check, by what they came to.",
      each { server in
        server.checks.flatMap { check in
          [("good", check.counts.good), ("bad", check.counts.bad), ("unclear", check.counts.unclear)].map {
            ([("type", check.type.rawValue), ("result", $0)], String($1))
          }
        }
      })
    add(
      "lvs_check_latency_seconds", "gauge", "How long the last attempt of the check took.",
      each { server in
        server.checks.compactMap { check in
          check.latency.map { ([("type", check.type.rawValue)], String($0)) }
        }
      })
  }

  private mutating func addSync(_ sync: SyncStatus) {
    func each(_ label: String, _ figures: [String: UInt64]) -> [Sample] {
      figures.sorted { $0.key < $1.key }.map { ([(label, $0.key)], String($0.value)) }
    }
    add(
      "lvs_sync_daemon", "gauge", "1 for each sync daemon that runs.",
      sync.daemons.map { ([("role", $0.role.description), ("interface", $0.interface)], "1") })
    add("lvs_sync_sent_total", "counter", "What the sync master sent.", each("what", sync.sent))
    add("lvs_sync_datagrams_total", "counter", "Sync datagrams that came, by outcome.", each("outcome", sync.datagrams))
    add("lvs_sync_streams_total", "counter", "Tables asked for over TCP, by outcome.", each("outcome", sync.streams))
    add("lvs_sync_records_total", "counter", "Records of other directors, by outcome.", each("outcome", sync.records))
  }

  private mutating func addStates(neighbors: [NeighborStatus], vips: [VIPStatus]) {
    add(
      "lvs_neighbor_state", "gauge", "1 for the state that the real server's address is in.",
      neighbors.map { ([("address", $0.address.description), ("state", $0.state.rawValue)], "1") })
    add(
      "lvs_vip_state", "gauge", "1 for the state that the VIP is in.",
      vips.map { ([("address", $0.address.description), ("state", $0.state.rawValue)], "1") })
  }
}
