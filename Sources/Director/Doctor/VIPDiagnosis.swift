import LVS

/// Who has the VIPs.
extension Observation {
  var vipFindings: [Finding] {
    claims.map(finding) + vips.compactMap(finding)
      + vips.compactMap { status in host.addresses[status.address].map { onHost(status.address, $0) } }
  }

  private func finding(_ claim: VIPClaim) -> Finding {
    let (kind, verb): (Finding.Kind, String) =
      switch claim.manner {
      case .answers: (.vipAnswered, "answers for")
      case .announces: (.vipAnnounced, "announces")
      case .asks: (.vipAsSender, "asks for others in the name of")
      }
    return Finding(
      kind, vip: claim.vip.description, subject: server(at: claim.station)?.description ?? claim.station.description,
      seen: "\(name(claim.station)) \(verb) the VIP \(claim.vip)", why: why(claim.manner), fix: fix(claim))
  }

  private func why(_ manner: VIPClaim.Manner) -> String {
    switch manner {
    case .answers: "whoever hears it last sends to that host instead of the director, past all balancing"
    case .announces, .asks:
      "everybody who hears it enters that host's MAC for the VIP and sends there, past all balancing"
    }
  }

  private func fix(_ claim: VIPClaim) -> String {
    let vip = claim.vip
    guard let server = server(at: claim.station) else {
      return "on the host with \(claim.station): ip address del \(vip) dev …, "
        + "or if it does not have the VIP, sysctl -w net.ipv4.conf.all.proxy_arp=0"
    }
    let setting = claim.manner == .answers ? "arp_ignore=1" : "arp_announce=2"
    let settings = vip.family == .v4 ? " (it sets net.ipv4.conf.all.\(setting))" : ""
    return "on \(server): lbctl real-server setup --vip \(vip)\(settings)"
  }

  private func finding(_ status: VIPStatus) -> Finding? {
    guard status.state == .contested, !(status.otherOwner.map(peers.contains) ?? false) else { return nil }
    let owner = status.otherOwner.map(name) ?? "another host"
    return Finding(
      .vipContested, vip: status.address.description, subject: status.otherOwner?.description ?? "unknown",
      seen: "the VIP \(status.address) is left to \(owner)",
      why: "the director does not answer for it; it takes it when nobody else does",
      fix: "take it off that host, or lbctl takeover \(status.address)")
  }

  private func onHost(_ vip: IPAddress, _ interface: String) -> Finding {
    Finding(
      .vipOnHost, vip: vip.description, subject: interface,
      seen: "the VIP \(vip) is configured on this host (interface \(interface))",
      why: "the host answers for it and takes connections itself",
      fix: "ip address del \(vip)/\(vip.family.bits) dev \(interface)")
  }
}
