import LVS

/// Servers that get much more than their weights give them, and why.
extension Observation {
  /// Fewer connections say nothing.
  private static let leastConnections: UInt64 = 100
  private static let ignoresWeights: Set<String> = ["rr", "lc", "dh", "twos"]
  private static let hashes: Set<String> = ["sh", "dh", "mh", "lblc", "lblcr"]

  var spreadFindings: [Finding] { services.compactMap(uneven) }

  private func uneven(_ status: ServiceStatus) -> Finding? {
    let servers = status.servers.filter { $0.effectiveWeight > 0 }
    let total = servers.reduce(0) { $0 + $1.statistics.connections }
    guard servers.count > 1, total >= Self.leastConnections else { return nil }
    func weight(_ status: ServerStatus) -> UInt64 { UInt64(status.effectiveWeight) }
    func connections(_ status: ServerStatus) -> UInt64 { status.statistics.connections }
    if let (server, share) = heaviest(servers, connections, due: weight), let (reason, fix) = cause(status, servers) {
      return finding(status, server, "\(share) % of the connections", reason, fix)
    }
    guard let (server, share) = heaviest(servers, { $0.statistics.packets }, due: connections) else { return nil }
    return finding(
      status, server, "\(share) % of the packets", "a few long connections (keep-alive) carry most of the traffic",
      "limit the requests of one connection on the servers"
        + (status.service.scheduler == .wlc ? "" : ", or: lbctl edit-service \(status.service.key.words) -s wlc"))
  }

  /// The server with more than twice its due of a figure, and its share in percent.
  private func heaviest(
    _ servers: [ServerStatus], _ figure: (ServerStatus) -> UInt64, due: (ServerStatus) -> UInt64
  ) -> (ServerStatus, UInt64)? {
    let (total, dues) = (servers.reduce(0) { $0 + Double(figure($1)) }, servers.reduce(0) { $0 + Double(due($1)) })
    func excess(_ server: ServerStatus) -> Double { Double(figure(server)) / total / (Double(due(server)) / dues) }
    guard total > 0, dues > 0, let top = servers.max(by: { excess($0) < excess($1) }) else { return nil }
    let (share, fair) = (Double(figure(top)) / total, Double(due(top)) / dues)
    // With a fair share of more than half, twice of it is out of reach.
    guard share > min(2 * fair, (1 + fair) / 2), share - fair > 0.1 else { return nil }
    return (top, UInt64(share * 100))
  }

  private func cause(_ status: ServiceStatus, _ servers: [ServerStatus]) -> (reason: String, fix: String)? {
    let (service, words) = (status.service, status.service.key.words)
    let clients = clients[service.key].map { "; at present it has \($0) clients" } ?? ""
    if let persistence = service.persistence {
      return (
        "persistence sends each client (mask \(persistence.netmask)) to one server for \(persistence.timeout) s\(clients)",
        Self.advice(persistence, words)
      )
    }
    if Self.hashes.contains(service.scheduler.rawValue) {
      return (
        "\(service.scheduler.rawValue) sends each client to one server: it needs many clients\(clients)",
        "lbctl edit-service \(words) -s wlc"
      )
    }
    if Self.ignoresWeights.contains(service.scheduler.rawValue), Set(servers.map(\.effectiveWeight)).count > 1 {
      return (
        "\(service.scheduler.rawValue) takes no notice of weights, and these differ",
        "lbctl edit-service \(words) -s wrr"
      )
    }
    return nil
  }

  /// What the persistence is not yet.
  private static func advice(_ persistence: Persistence, _ words: String) -> String {
    let (short, host): (UInt32, Netmask) = (60, .host(persistence.netmask.family))
    if persistence.timeout > short { return "a shorter time: lbctl edit-service \(words) -p \(short)" }
    guard persistence.netmask == host else { return "a narrower mask: lbctl edit-service \(words) -M \(host)" }
    return "a service without persistence, if clients can do without: lbctl del-service, then add-service without -p"
  }

  private func finding(
    _ status: ServiceStatus, _ server: ServerStatus, _ share: String, _ reason: String, _ fix: String
  ) -> Finding {
    Finding(
      .uneven, vip: status.service.key.description, subject: server.server.endpoint.description,
      seen: "real server \(server.server.endpoint) gets \(share) of \(status.service.key)", why: reason,
      fix: "\(fix); then lbctl zero")
  }
}

extension ServiceKey {
  /// As the command line names it: `-t 192.0.2.1:80`.
  fileprivate var words: String {
    switch self {
    case .endpoint(.tcp, let end): "-t \(end)"
    case .endpoint(.udp, let end): "-u \(end)"
    case .endpoint(_, let end): "--sctp-service \(end)"
    case .fwmark(let mark, let family): "-f \(mark)\(family == .v6 ? " -6" : "")"
    }
  }
}
