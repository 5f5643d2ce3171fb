import LVS

/// The director on its LAN: answers for its VIPs, finds its real servers, and hears who else claims either.
///
/// Frames and time go in, frames and events come out; it reads no socket and no clock.
struct Neighborhood {
  var vips: VIPTable
  var neighbors = NeighborTable()
  /// The station that asks and answers.
  var mac: MACAddress
  /// The interface's own addresses with their networks, for the sender of questions.
  var addresses: [Prefix.Interface]
  /// The operator's choice of a sender.
  var fixedSender: IPAddress?
  /// Frames to send.
  private(set) var outbox: [[UInt8]] = []
  private(set) var happened: [Happening] = []

  enum Happening: Equatable {
    case neighbor(NeighborChange)
    case vip(VIPChange)
  }

  init(mac: MACAddress, addresses: [Prefix.Interface], fixedSender: IPAddress? = nil, timing: VIPTiming = VIPTiming()) {
    self.mac = mac
    self.addresses = addresses
    self.fixedSender = fixedSender
    vips = VIPTable(timing: timing)
  }

  /// One ARP frame in. A request for an owned VIP becomes its reply in place; all else is heard and left alone.
  mutating func receive(_ frame: Bytes, now: UInt64) -> Verdict {
    guard frame.count >= Ethernet.length else { return .drop(.truncatedFrame) }
    guard frame.u16(Ethernet.type) == Ethernet.arp else { return .pass }
    guard let arp = ARP.parse(frame) else { return .drop(.badArp) }
    guard arp.senderMAC != mac else { return .pass }
    guard arp.senderMAC.isStation, arp.senderMAC == frame.mac(Ethernet.source) else { return .drop(.badArp) }
    hear(arp, now)
    return ARPResponder.answer(frame, arp, vips, mac) ?? .pass
  }

  /// Takes note of what a frame says of its sender.
  private mutating func hear(_ arp: ARP, _ now: UInt64) {
    let claimed = arp.isProbe ? arp.target : arp.sender
    let (change, message) = vips.claim(claimed, by: arp.senderMAC, isProbe: arp.isProbe, now: now)
    if let change { happened.append(.vip(change)) }
    if let message { send(message) }
    guard !arp.isProbe else { return }
    if arp.operation == .reply, arp.targetMAC == mac {
      if let change = neighbors.answer(arp.sender, arp.senderMAC, now: now) { happened.append(.neighbor(change)) }
    } else {
      neighbors.claim(arp.sender, arp.senderMAC, now: now)
    }
  }

  /// Moves time on and puts what is due into the outbox.
  mutating func tick(_ now: UInt64) {
    let (messages, vipChanges) = vips.tick(now)
    for message in messages { send(message) }
    let (questions, neighborChanges) = neighbors.tick(now)
    for question in questions { send(question) }
    happened += vipChanges.map(Happening.vip) + neighborChanges.map(Happening.neighbor)
  }

  /// Hands out what there is to send and what happened.
  mutating func drain() -> (frames: [[UInt8]], happened: [Happening]) {
    defer { (outbox, happened) = ([], []) }
    return (outbox, happened)
  }

  /// The address that asks for `target`: the operator's choice, else the one of the target's network, else the first.
  /// Never a VIP; where there is none, the unspecified address, as a probe has it.
  func sender(for target: IPAddress) -> IPAddress {
    let own = addresses.filter { $0.address.family == target.family }
    return fixedSender.flatMap { $0.family == target.family ? $0 : nil }
      ?? own.first { $0.network.contains(target) }?.address ?? own.first?.address ?? IPAddress(v4: 0)
  }

  private mutating func send(_ message: VIPMessage) {
    switch message {
    case .probe(let vip):
      request(for: vip, from: IPAddress(v4: 0), to: nil)
    case .announcement(let vip):
      request(for: vip, from: vip, to: nil)
      let reply = ARP(operation: .reply, senderMAC: mac, sender: vip, targetMAC: .broadcast, target: vip)
      outbox.append(reply.frame(to: .broadcast))
    }
  }

  private mutating func send(_ question: NeighborQuestion) {
    request(for: question.address, from: sender(for: question.address), to: question.station)
  }

  private mutating func request(for target: IPAddress, from sender: IPAddress, to station: MACAddress?) {
    let arp = ARP(operation: .request, senderMAC: mac, sender: sender, targetMAC: station ?? .zero, target: target)
    outbox.append(arp.frame(to: station ?? .broadcast))
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
  }
}
