import LVS

/// The director's own host and its LAN.
extension Observation {
  /// So many frames for others within a second are no accident.
  private static let floodThreshold = 20

  var hostFindings: [Finding] {
    [link, senderless, forwarding, reversePath, largeReceive, hiddenTags, flooding].compactMap(\.self)
  }

  var disconnected: Finding? {
    guard let disconnection else { return nil }
    return Finding(
      .disconnected, subject: interface.name, seen: "nothing is forwarded: \(disconnection)",
      why: "the VIPs are left to other directors until it can be",
      fix: "put \(interface.name) back to what it was (its MTU, its driver's queues), or lbd --data-plane af-packet")
  }

  private var link: Finding? {
    guard !isThere || !interface.isUp else { return nil }
    return Finding(
      .interfaceDown, subject: interface.name,
      seen: "interface \(interface.name) is \(isThere ? "down or has no carrier" : "not there")",
      why: "the director is off the LAN", fix: "ip link set \(interface.name) up, and look at cable and switch port")
  }

  private var senderless: Finding? {
    let families = Set(servers.map(\.address.family)).subtracting(interface.addresses.map(\.address.family))
    guard families.contains(.v4), sender == nil else { return nil }
    return Finding(
      .noAddress, subject: interface.name, seen: "interface \(interface.name) has no IPv4 address",
      why: "real servers are asked for without a sender, and many do not answer that",
      fix: "ip address add … dev \(interface.name), or lbd --address DIP")
  }

  private var forwarding: Finding? {
    let families = host.forwards.intersection(vips.map(\.address.family))
    guard !host.isGuarded, let family = families.min(by: { $0.rawValue < $1.rawValue }) else { return nil }
    let setting = family == .v4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding"
    return Finding(
      .ipForward, subject: setting, seen: "\(setting) is 1 and lbd runs with --no-host-guard",
      why: "the host answers the VIPs' packets too, with redirects and errors, or forwards each a second time",
      fix: "sysctl -w \(setting)=0, or run lbd without --no-host-guard")
  }

  private var reversePath: Finding? {
    guard host.reversePathFilter == 1,
      let vip = vips.map(\.address).first(where: { $0.family == .v4 && !interface.isOnLink($0) })
    else { return nil }
    return Finding(
      .reversePathFilter, vip: vip.description, subject: interface.name,
      seen: "rp_filter is 1 on \(interface.name), and the VIP \(vip) is on none of its networks",
      why: "the host drops what real servers send through it in the VIP's name: answers that it is to route",
      fix: "sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.\(interface.name).rp_filter=2")
  }

  private var largeReceive: Finding? {
    guard host.mergesFrames else { return nil }
    return Finding(
      .largeReceive, subject: interface.name, seen: "large receive offload is on at \(interface.name)",
      why: "merged frames cannot be taken apart again: what is forwarded is not what the client sent",
      fix: "ethtool -K \(interface.name) lro off")
  }

  private var hiddenTags: Finding? {
    guard host.hidesTags else { return nil }
    return Finding(
      .hiddenTags, subject: interface.name,
      seen: "\(interface.name) takes VLAN tags out of frames, and its driver tells no XDP program of them",
      why: "frames of other VLANs for a VIP are forwarded as if they had no tag",
      fix: "ethtool -K \(interface.name) rxvlan off")
  }

  private var flooding: Finding? {
    guard let (station, count) = foreign.max(by: { $0.value < $1.value }), count >= Self.floodThreshold else {
      return nil
    }
    return Finding(
      .flooding, subject: station.description,
      seen: "\(count) frames in a second arrived although they are for \(name(station))",
      why: "the switch has forgotten where that station is and sends to every port",
      fix: "raise the ageing time: on a Linux bridge, ip link set BRIDGE type bridge ageing_time 30000; "
        + "or have that station heard more often (for a VIP, lbd --announce-refresh below the ageing time)")
  }
}
