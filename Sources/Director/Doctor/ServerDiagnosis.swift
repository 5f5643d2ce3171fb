import LVS

/// Where the real servers are, and what they do with a packet for the VIP.
extension Observation {
  var serverFindings: [Finding] { servers.compactMap(unresolved) + servers.compactMap(duplicate) + shared }

  private func unresolved(_ server: Server) -> Finding? {
    guard server.mac == nil, server.isFailed else { return nil }
    let address = server.address.description
    guard interface.isOnLink(server.address) else {
      return Finding(
        .serverElsewhere, subject: address,
        seen: "real server \(address) is on no network of \(interface.name) and does not answer there",
        why: "direct routing changes only the MAC address: director and server must share a LAN",
        fix: "put the server on the LAN of \(interface.name), or run lbd on the server's: lbd --interface …")
    }
    return Finding(
      .serverUnresolved, subject: address, seen: "real server \(address) does not answer ARP or neighbor discovery",
      why: "nothing can be sent to it; its clients wait in vain",
      fix: "on \(address): ip link set \(interface.name) up; meanwhile lbctl drain-rs -t … -r \(address)")
  }

  private func duplicate(_ server: Server) -> Finding? {
    guard let rival = server.rival, let mac = server.mac else { return nil }
    return Finding(
      .serverDuplicate, subject: server.address.description,
      seen: "real server \(server.address) is answered for by \(mac) and by \(rival)",
      why: "two hosts have the address: some connections go to the wrong one",
      fix: "take \(server.address) off one of them, or lbctl edit-rs -t … -r \(server.address) --mac \(mac)")
  }

  /// Servers of one family with one station: a router that answers for others, or one host twice.
  private var shared: [Finding] {
    let byStation = Dictionary(grouping: servers.filter { $0.mac != nil }) { server in
      [server.mac?.value ?? 0, UInt64(server.address.family.rawValue)]
    }
    return byStation.values.filter { $0.count > 1 }.map { group in
      let addresses = group.map(\.address).sorted().map(\.description)
      let mac = group[0].mac?.description ?? ""
      return Finding(
        .serverShared, subject: mac, seen: "real servers \(addresses.joined(separator: " and ")) have one MAC, \(mac)",
        why: "they are one host, or a router with proxy_arp between director and servers, which breaks direct routing",
        fix: "lbctl del-rs one of them; or on the router: sysctl -w net.ipv4.conf.all.proxy_arp=0")
    }.sorted { $0.subject < $1.subject }
  }

  var probeFindings: [Finding] { probes.compactMap(finding) + probes.compactMap(smallMTU) }

  private func finding(_ probe: ProbeResult) -> Finding? {
    let (server, vip) = (probe.server, probe.virtual)
    switch probe.outcome {
    case .fine, .unsent: return nil
    case .refused:
      return Finding(
        .serverRefuses, vip: vip.description, subject: server.description,
        seen: "real server \(server) refuses \(vip): nothing listens there",
        why: "clients that are sent there get a reset",
        fix: "on \(server): start the service so that it listens on \(vip) or on all addresses "
          + "(ss -ltn shows it); meanwhile lbctl drain-rs")
    case .filtered:
      return Finding(
        .serverFiltered, vip: vip.description, subject: server.description,
        seen: "real server \(server) has the VIP, but what is sent to \(vip) is filtered",
        why: "clients that are sent there get no answer",
        fix: "on \(server): allow port \(vip.port) in its packet filter (nft list ruleset)")
    case .withoutVIP:
      return Finding(
        .serverWithoutVIP, vip: vip.description, subject: server.description,
        seen: "real server \(server) answers at its own address and not at \(vip.address): the VIP is not on its lo, "
          + "or all that is for it is filtered",
        why: "it throws away what it is sent, or sends it back",
        fix: "on \(server): lbctl real-server setup --vip \(vip.address)")
    case .silent:
      return Finding(
        .serverSilent, vip: vip.description, subject: server.description,
        seen: "real server \(server) gives no answer, for \(vip) nor at its own address: its link is down, its MAC is "
          + "not \(mac(server)), or it filters what it gets or sends",
        why: "clients that are sent there get no answer",
        fix: "on \(server): ip link (up? that MAC? without one of its own: lbctl edit-rs … --no-mac), "
          + "nft list ruleset; meanwhile lbctl drain-rs")
    }
  }

  private func mac(_ server: IPAddress) -> String {
    services.lazy.flatMap(\.servers).first { $0.server.endpoint.address == server }?.resolvedMAC?.description
      ?? servers.first { $0.address == server }?.mac?.description ?? "what the director sends to"
  }

  var unansweringFindings: [Finding] {
    waiting.map { wait in
      Finding(
        .serverUnanswering, vip: wait.virtual.description, subject: wait.server.description, seen: seen(wait),
        why: wait.repeated > 0
          ? "what the client sends arrives there, and nothing of an answer arrives at the client"
          : "a reset or an ICMP error of the server's goes past the director, which sees a client that stops at once",
        fix: "on \(wait.server.address): lbctl real-server check --vip \(wait.virtual.address) "
          + "--client \(wait.client), and nft list ruleset")
    }
  }

  private func seen(_ wait: HalfOpenCount.Wait) -> String {
    let others = "whose other connections to \(wait.virtual) other servers answer"
    if wait.repeated > 0 {
      return "real server \(wait.server) answers nothing to client \(wait.client), \(others): \(wait.count) of its "
        + "connections wait there"
    }
    return
      "real server \(wait.server) refuses client \(wait.client), \(others), or that waits less than a second: none "
      + "of \(wait.count) connections there goes on after its first packet, nor is that sent again"
  }

  private func smallMTU(_ probe: ProbeResult) -> Finding? {
    guard probe.answersSmall, !probe.answersLarge else { return nil }
    return Finding(
      .serverMTU, vip: probe.virtual.address.description, subject: probe.server.description,
      seen: "packets of \(interface.mtu) bytes do not reach real server \(probe.server), small ones do",
      why: "connections to it hang as soon as a client sends much",
      fix: "give switch and server the MTU of the director; on \(probe.server): "
        + "ip link set \(interface.name) mtu \(interface.mtu)")
  }
}
