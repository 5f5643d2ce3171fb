import LVS

/// The director on its LAN: answers for its VIPs, finds its real servers, and hears who else claims either.
///
/// Frames and time go in, frames and events come out; it reads no socket and no clock.
struct Neighborhood {
  var vips: VIPTable
  var neighbors: NeighborTable
  /// The interface's own station, which asks for others.
  var device: MACAddress
  /// The station of the VIPs where it is not the interface's own.
  let virtual: MACAddress?
  /// The interface's own addresses with their networks, for the sender of questions.
  var addresses: [Prefix.Interface]
  /// The operator's choice of a sender.
  let fixedSender: IPAddress?
  let peers: Peers
  /// Frames to send.
  private(set) var outbox: [[UInt8]] = []
  private(set) var happened: [Happening] = []

  enum Happening: Equatable {
    case neighbor(NeighborChange)
    case vip(VIPChange)
  }

  /// The other directors that may have our VIPs.
  struct Peers: Sendable, Equatable {
    var stations: Set<MACAddress> = []
    /// Whose stations are asked for.
    var addresses: Set<IPAddress> = []
    var isEmpty: Bool { stations.isEmpty && addresses.isEmpty }
  }

  init(
    mac: MACAddress, virtual: MACAddress? = nil, addresses: [Prefix.Interface], fixedSender: IPAddress? = nil,
    timing: VIPTiming = VIPTiming(), peers: Peers = Peers(), neighbors: NeighborTable = NeighborTable()
  ) {
    device = mac
    self.virtual = virtual
    self.addresses = addresses
    self.fixedSender = fixedSender
    self.peers = peers
    self.neighbors = neighbors
    vips = VIPTable(timing: timing)
  }

  /// The station that answers for the VIPs and announces them.
  var mac: MACAddress { virtual ?? device }

  /// The Ethernet groups at which the VIPs are asked for.
  var groups: Set<MACAddress> { Set(vips.addresses.filter { $0.family == .v6 }.map(\.solicitedNode.groupMAC)) }

  /// One frame in. A question for an owned VIP becomes its answer in place; all else is heard and left alone.
  mutating func receive(_ frame: Bytes, now: UInt64) -> Verdict {
    guard frame.count >= Ethernet.length else { return .drop(.truncatedFrame) }
    let source = frame.mac(Ethernet.source)
    guard source != device else { return .pass }
    // A switch floods what it does not know, and a promiscuous interface hears all: it is none of ours, as for a kernel.
    let destination = frame.mac(Ethernet.destination)
    let isToUs = destination == device || destination == mac
    guard isToUs || destination.isGroup else { return .pass }
    if frame.u16(Ethernet.type) == Ethernet.arp {
      guard let arp = ARP.parse(frame), arp.senderMAC.isStation, arp.senderMAC == source else { return .drop(.badArp) }
      let verdict = hear(NeighborMessage(arp, isToUs: isToUs), now)
      return ARPResponder.answer(frame, arp, vips, mac) ?? verdict
    }
    guard NDP.kind(of: frame) != nil else { return .pass }
    guard let ndp = NDP.parse(frame), source.isStation else { return .drop(.badNdp) }
    let verdict = hear(NeighborMessage(ndp, sender: source, isToUs: isToUs), now)
    return NDPResponder.answer(frame, ndp, vips, mac) ?? verdict
  }

  /// Takes note of what a frame says of its sender: it is passed on, or counted as a claim that is not believed.
  private mutating func hear(_ message: NeighborMessage, _ now: UInt64) -> Verdict {
    let (change, reply) = vips.hear(message, isPeer: isPeer(message.station), now: now)
    if let change { happened.append(.vip(change)) }
    if let reply { send(reply) }
    let isClaim = vips.owns(message.address) && message.kind != .probe
    switch message.kind {
    case .probe: return .pass
    case .answer:
      let (change, isDisputed) = neighbors.answer(message.address, message.station, now: now)
      if let change { happened.append(.neighbor(change)) }
      return isDisputed || isClaim ? .drop(.disputedClaim) : .pass
    case .question, .announcement:
      return neighbors.claim(message.address, message.station, now: now) || isClaim ? .drop(.disputedClaim) : .pass
    }
  }

  /// Whether a station is another director's. Who speaks with our virtual station is one.
  func isPeer(_ station: MACAddress) -> Bool {
    station == virtual || peers.stations.contains(station)
      || peers.addresses.contains { neighbors.mac($0) == station }
  }

  /// Moves time on and puts what is due into the outbox.
  mutating func tick(_ now: UInt64) {
    let (messages, vipChanges) = vips.tick(now)
    for message in messages { send(message) }
    let (questions, neighborChanges) = neighbors.tick(now)
    for question in questions { send(question) }
    happened += vipChanges.map(Happening.vip) + neighborChanges.map(Happening.neighbor)
  }

  /// Whether there may be another director to leave the VIPs to.
  var hasPeers: Bool { virtual != nil || !peers.isEmpty }

  /// Leaves all VIPs to others until they can be served again.
  mutating func suspend() { happened += vips.suspend().map(Happening.vip) }

  /// Asks everybody for the VIPs and the servers once more, to hear of all who answer.
  mutating func survey(_ now: UInt64) {
    vips.forgetClaims(now: now, memory: .max, answers: true)
    neighbors.survey(now)
    for address in vips.addresses + neighbors.asked { send(NeighborQuestion(address: address, station: nil)) }
  }

  /// Hands out what there is to send and what happened.
  mutating func drain() -> (frames: [[UInt8]], happened: [Happening]) {
    defer { (outbox, happened) = ([], []) }
    return (outbox, happened)
  }

  /// The address that asks for `target`: the operator's choice, else the one of the target's network, else the first.
  /// Never a VIP; where there is none, the unspecified address as a probe has it, for IPv6 the station's link-local.
  func sender(for target: IPAddress) -> IPAddress {
    let own = addresses.filter { $0.address.family == target.family }
    return fixedSender.flatMap { $0.family == target.family ? $0 : nil }
      ?? own.first { $0.network.contains(target) }?.address ?? own.first?.address
      ?? (target.family == .v4 ? IPAddress(v4: 0) : device.linkLocal)
  }

  /// Who only probes does not speak as the VIPs' station: another director that has it would lose its answers.
  private mutating func send(_ message: VIPMessage) {
    switch (message, message.address.family) {
    case (.probe(let vip), .v4): request(for: vip, from: IPAddress(v4: 0), device, to: nil)
    case (.farewell(let vip), .v4): request(for: vip, from: IPAddress(v4: 0), mac, to: nil)
    case (.farewell(let vip), .v6): solicit(vip, from: .unspecifiedV6, mac, to: nil)
    case (.probe(let vip), .v6):
      join(vip)
      solicit(vip, from: .unspecifiedV6, device, to: nil)
    case (.announcement(let vip), .v4):
      request(for: vip, from: vip, mac, to: nil)
      let reply = ARP(operation: .reply, senderMAC: mac, sender: vip, targetMAC: .broadcast, target: vip)
      outbox.append(reply.frame(to: .broadcast))
    case (.announcement(let vip), .v6):
      join(vip)
      let advertisement = NDP(
        kind: .advertisement, source: vip, destination: .allNodes, target: vip, mac: mac, overrides: true)
      outbox.append(advertisement.frame(from: mac, to: nil))
    }
  }

  /// Questions come from the interface's own station: with the VIPs' one, the host would become unreachable.
  private mutating func send(_ question: NeighborQuestion) {
    let sender = sender(for: question.address)
    if question.address.family == .v4 {
      request(for: question.address, from: sender, device, to: question.station)
    } else {
      solicit(question.address, from: sender, device, to: question.station)
    }
  }

  private mutating func request(
    for target: IPAddress, from sender: IPAddress, _ mac: MACAddress, to station: MACAddress?
  ) {
    let arp = ARP(operation: .request, senderMAC: mac, sender: sender, targetMAC: station ?? .zero, target: target)
    outbox.append(arp.frame(to: station ?? .broadcast))
  }

  private mutating func solicit(
    _ target: IPAddress, from sender: IPAddress, _ mac: MACAddress, to station: MACAddress?
  ) {
    let solicitation = NDP(
      kind: .solicitation, source: sender, destination: station == nil ? target.solicitedNode : target, target: target,
      mac: sender == .unspecifiedV6 ? nil : mac)
    outbox.append(solicitation.frame(from: mac, to: station))
  }

  /// Tells switches that snoop who listens to the VIP's group.
  private mutating func join(_ vip: IPAddress) {
    outbox.append(MLD.frame(joining: vip.solicitedNode, from: device, device.linkLocal))
  }
}

extension VIPMessage {
  fileprivate var address: IPAddress {
    switch self {
    case .probe(let address), .announcement(let address), .farewell(let address): address
    }
  }
}

extension MACAddress {
  /// The IPv6 link-local address that is made of it (RFC 4291, appendix A).
  var linkLocal: IPAddress {
    let interface = (value & 0xffff_ff00_0000) << 16 | 0xff_fe00_0000 | value & 0xff_ffff
    return IPAddress(v6: 0xfe80 << 48, interface ^ 0x0200_0000_0000_0000)
  }
}

extension Prefix {
  /// An address of an interface with the network that it is in.
  struct Interface: Sendable, Equatable {
    var address: IPAddress
    var network: Prefix

    init(_ address: IPAddress, length: UInt8) {
      self.address = address
      network = Prefix(address, length: length)
    }

    /// The IPv4 address of all hosts of the network; nil where that is no network of several.
    var broadcast: IPAddress? {
      guard address.family == .v4, network.length < 31 else { return nil }
      return IPAddress(v4: network.address.v4 | ~0 >> UInt32(network.length))
    }
  }
}
