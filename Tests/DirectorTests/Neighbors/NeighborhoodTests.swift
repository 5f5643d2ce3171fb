import LVS
import Testing

@testable import Director

/// Frames and time in, frames and happenings out, for both families alike.
@Suite("The neighborhood")
struct NeighborhoodTests {
  private static let device = MACAddress(0x0200_0000_0201)
  private static let stranger = MACAddress(0x0200_0000_0401)
  private static let serverMAC = MACAddress(0x0200_0000_0301)
  private static let virtual = MACAddress(0x0000_5e00_0107)

  /// A family's addresses: VIP, real server, director, stranger.
  struct Family: Sendable {
    let vip, server, dip, asker: IPAddress

    init(_ vip: String, _ server: String, _ dip: String, _ asker: String) {
      self.vip = IPAddress(vip)!
      self.server = IPAddress(server)!
      self.dip = IPAddress(dip)!
      self.asker = IPAddress(asker)!
    }

    var isV4: Bool { vip.family == .v4 }

    func question(_ target: IPAddress, from sender: IPAddress, _ mac: MACAddress, to station: MACAddress? = nil)
      -> [UInt8]
    {
      if isV4 {
        return ARP(operation: .request, senderMAC: mac, sender: sender, targetMAC: station ?? .zero, target: target)
          .frame(to: station ?? .broadcast)
      }
      let isProbe = sender == .unspecifiedV6
      return NDP(
        kind: .solicitation, source: sender, destination: station == nil ? target.solicitedNode : target,
        target: target,
        mac: isProbe ? nil : mac
      ).frame(from: mac, to: station)
    }

    func answer(_ address: IPAddress, _ mac: MACAddress, to receiver: IPAddress, _ station: MACAddress) -> [UInt8] {
      if isV4 {
        return ARP(operation: .reply, senderMAC: mac, sender: address, targetMAC: station, target: receiver).frame(
          to: station)
      }
      return NDP(
        kind: .advertisement, source: address, destination: receiver, target: address, mac: mac, isSolicited: true,
        overrides: true
      ).frame(from: mac, to: station)
    }

    func announcement(_ address: IPAddress, _ mac: MACAddress) -> [UInt8] {
      if isV4 { return question(address, from: address, mac) }
      return NDP(
        kind: .advertisement, source: address, destination: .allNodes, target: address, mac: mac, overrides: true
      ).frame(from: mac, to: nil)
    }

    var probe: [UInt8] {
      question(vip, from: isV4 ? IPAddress(v4: 0) : .unspecifiedV6, NeighborhoodTests.stranger)
    }
  }

  static let families = [
    Family("10.77.0.100", "10.77.0.21", "10.77.0.2", "10.77.0.50"),
    Family("2001:db8::100", "2001:db8::21", "2001:db8::2", "2001:db8::50"),
  ]

  private func neighborhood(
    _ family: Family, virtual: MACAddress? = nil, peers: Neighborhood.Peers = .init(), yields: Bool = false
  ) -> Neighborhood {
    Neighborhood(
      mac: Self.device, virtual: virtual, addresses: [Prefix.Interface(family.dip, length: family.isV4 ? 24 : 64)],
      timing: VIPTiming(yields: yields), peers: peers)
  }

  /// What a frame becomes: the verdict, and its bytes afterwards.
  private func receive(_ frame: [UInt8], _ hood: inout Neighborhood, now: UInt64 = 0) -> (Verdict, [UInt8]) {
    var frame = frame
    let verdict = frame.lend(room: NDP.frameLength) { bytes in
      let verdict = hood.receive(bytes, now: now)
      if case .answer(let length) = verdict { return (verdict, length: length) }
      return (verdict, length: bytes.count)
    }
    return (verdict, frame)
  }

  /// The frames due at a time, but for reports of groups joined.
  private func due(_ hood: inout Neighborhood, _ now: UInt64) -> [[UInt8]] {
    hood.tick(now)
    return hood.drain().frames.filter { $0[20] != 0 || $0[12] == 8 }
  }

  @Test(
    "answers questions for an owned VIP, to everybody or to its station, with the VIPs' station", arguments: families)
  func answers(family: Family) {
    for virtual in [nil, Self.virtual] {
      var hood = neighborhood(family, virtual: virtual)
      hood.vips.take(family.vip, now: 0)
      for station in [nil, hood.mac] {
        let question = family.question(family.vip, from: family.asker, Self.stranger, to: station)
        let (verdict, answer) = receive(question, &hood)
        #expect(verdict == .answer(length: family.isV4 ? ARP.frameLength : NDP.frameLength))
        #expect(answer == family.answer(family.vip, hood.mac, to: family.asker, Self.stranger))
      }
    }
  }

  @Test("answers and hears nothing that was sent to another station, which switches flood", arguments: families)
  func foreignStations(family: Family) {
    for virtual in [nil, Self.virtual] {
      var hood = neighborhood(family, virtual: virtual)
      hood.vips.take(family.vip, now: 0)
      hood.neighbors.add(family.server, now: 0)
      _ = hood.drain()
      let question = family.question(family.vip, from: family.asker, Self.stranger, to: Self.serverMAC)
      check(receive(question, &hood) == (.pass, question))
      let answer = family.answer(family.server, Self.serverMAC, to: family.asker, Self.stranger)
      check(receive(answer, &hood) == (.pass, answer))
      check(hood.drain().happened.isEmpty)
    }
  }

  @Test("answers whoever probes for an owned VIP", arguments: families)
  func answersProbes(family: Family) {
    var hood = neighborhood(family)
    hood.vips.take(family.vip, now: 0)
    let (verdict, answer) = receive(family.probe, &hood)
    #expect(verdict != .pass)
    let expected =
      family.isV4
      ? ARP(
        operation: .reply, senderMAC: Self.device, sender: family.vip, targetMAC: Self.stranger,
        target: IPAddress(v4: 0)
      ).frame(to: Self.stranger) : family.announcement(family.vip, Self.device)
    #expect(answer == expected)
  }

  @Test("answers neither for VIPs that it does not own nor for anybody else", arguments: families)
  func silent(family: Family) {
    var hood = neighborhood(family)
    hood.vips.probe(family.vip, now: 0)
    for target in [family.vip, family.server, family.dip] {
      check(receive(family.question(target, from: family.asker, Self.stranger), &hood).0 == .pass)
    }
  }

  @Test("probes without a sender, then announces", arguments: families)
  func sends(family: Family) {
    var hood = neighborhood(family)
    hood.vips.probe(family.vip, now: 0)
    let unspecified = family.isV4 ? IPAddress(v4: 0) : .unspecifiedV6
    check(due(&hood, 0) == [family.question(family.vip, from: unspecified, Self.device)])
    hood.vips.take(family.vip, now: 1_000)
    let sent = due(&hood, 1_000)
    #expect(sent.first == family.announcement(family.vip, Self.device))
    #expect(sent.count == (family.isV4 ? 2 : 1), "IPv4 is announced by a reply too")
  }

  @Test("joins the group of an IPv6 VIP from the first probe on, and tells switches", arguments: families)
  func groups(family: Family) {
    var hood = neighborhood(family)
    hood.vips.probe(family.vip, now: 0)
    #expect(hood.groups == (family.isV4 ? [] : [MACAddress(0x3333_ff00_0100)]))
    hood.tick(0)
    let reports = hood.drain().frames.filter { $0[20] == 0 && $0[12] == 0x86 }
    #expect(reports.count == (family.isV4 ? 0 : 1))
    hood.vips.remove(family.vip)
    #expect(hood.groups.isEmpty)
  }

  @Test("asks for servers with the device's own station and address, even beside a virtual one", arguments: families)
  func asks(family: Family) {
    var hood = neighborhood(family, virtual: Self.virtual)
    hood.neighbors.add(family.server, now: 0)
    check(due(&hood, 0) == [family.question(family.server, from: family.dip, Self.device)])
    let answer = family.answer(family.server, Self.serverMAC, to: family.dip, Self.device)
    check(receive(answer, &hood, now: 1).0 == .pass)
    check(hood.drain().happened == [.neighbor(.resolved(family.server, Self.serverMAC))])
    check(due(&hood, 30_001) == [family.question(family.server, from: family.dip, Self.device, to: Self.serverMAC)])
  }

  @Test("counts claims that nobody asked for, and believes none", arguments: families)
  func disputes(family: Family) {
    var hood = neighborhood(family)
    hood.neighbors.add(family.server, now: 0)
    _ = due(&hood, 0)
    _ = receive(family.answer(family.server, Self.serverMAC, to: family.dip, Self.device), &hood, now: 1)
    let claims = [
      family.announcement(family.server, Self.stranger),
      family.answer(family.server, Self.stranger, to: family.dip, Self.device),
      family.question(family.dip, from: family.server, Self.stranger),
    ]
    for claim in claims { check(receive(claim, &hood, now: 2).0 == .drop(.disputedClaim)) }
    #expect(hood.neighbors.mac(family.server) == Self.serverMAC)
  }

  @Test("defends an owned VIP with an announcement, and tells whose claim it was", arguments: families)
  func defends(family: Family) {
    var hood = neighborhood(family)
    hood.vips.take(family.vip, now: 0)
    for now in [UInt64(0), 1_000, 2_000] { _ = due(&hood, now) }
    check(receive(family.announcement(family.vip, Self.stranger), &hood, now: 5_000).0 == .drop(.disputedClaim))
    let (frames, happened) = hood.drain()
    #expect(frames.contains(family.announcement(family.vip, Self.device)))
    #expect(happened == [.vip(.contested(family.vip, Self.stranger))])
  }

  @Test("gives a VIP up as its station, by a probe that its other directors hear", arguments: families)
  func farewell(family: Family) {
    for virtual in [nil, Self.virtual] {
      var hood = neighborhood(family, virtual: virtual, peers: .init(stations: [Self.stranger]))
      hood.vips.take(family.vip, now: 0)
      _ = due(&hood, 0)
      hood.vips.leave()
      let said = due(&hood, 10)
      let unspecified = family.isV4 ? IPAddress(v4: 0) : .unspecifiedV6
      #expect(said == [family.question(family.vip, from: unspecified, hood.mac)])
      check(receive(family.probe, &hood, now: 20).0 == .pass, "it is free")
      guard case .answer = receive(family.question(family.vip, from: family.asker, Self.stranger), &hood, now: 30).0
      else { return #expect(Bool(false), "it still answers") }

      var standby = neighborhood(family)
      standby.device = MACAddress(0x0200_0000_0999)
      standby.vips.wait(for: family.vip, heldBy: hood.mac, now: 0)
      _ = due(&standby, 0)
      for frame in said { _ = receive(frame, &standby, now: 40) }
      _ = due(&standby, 40)
      #expect(due(&standby, 41).count == 1, "a probe")
    }
  }

  @Test("knows a peer by its station, by its address, and by the virtual station", arguments: families)
  func peers(family: Family) {
    let cases: [(Neighborhood.Peers, MACAddress?, MACAddress)] = [
      (.init(stations: [Self.stranger]), nil, Self.stranger), (.init(addresses: [family.asker]), nil, Self.stranger),
      (.init(), Self.virtual, Self.virtual),
    ]
    for (peers, virtual, station) in cases {
      var hood = neighborhood(family, virtual: virtual, peers: peers)
      for address in peers.addresses { hood.neighbors.add(address, now: 0) }
      hood.vips.take(family.vip, now: 0)
      _ = due(&hood, 0)
      _ = receive(family.answer(family.asker, Self.stranger, to: family.dip, Self.device), &hood, now: 1)
      _ = hood.drain()
      _ = receive(family.announcement(family.vip, station), &hood, now: 2)
      check(hood.drain().happened == [.vip(.yielded(family.vip, station))])
      #expect(!hood.vips.owns(family.vip))
    }
  }

  @Test("drops frames that lie about their sender")
  func lies() {
    let family = Self.families[0]
    var hood = neighborhood(family)
    hood.vips.take(family.vip, now: 0)
    for sender in [MACAddress.zero, .broadcast, MACAddress(0x0100_5e00_0001), Self.serverMAC] {
      var frame = family.question(family.vip, from: family.asker, sender)
      frame.lend { ($0.set(Ethernet.source, Self.stranger), length: $0.count) }
      check(receive(frame, &hood).0 == .drop(.badArp))
    }
  }

  @Test("answers no message of neighbor discovery that came through a router")
  func hopLimit() {
    let family = Self.families[1]
    var hood = neighborhood(family)
    hood.vips.take(family.vip, now: 0)
    var frame = family.question(family.vip, from: family.asker, Self.stranger)
    frame[21] = 254
    check(receive(frame, &hood).0 == .drop(.badNdp))
  }

  @Test("comes to no harm from any frame", arguments: families)
  func fuzz(family: Family) {
    var generator = SplitMix64(seed: 42)
    var hood = neighborhood(family)
    hood.vips.take(family.vip, now: 0)
    hood.neighbors.add(family.server, now: 0)
    let samples = [
      family.probe, family.announcement(family.vip, Self.stranger),
      family.answer(family.server, Self.serverMAC, to: family.dip, Self.device),
    ]
    for round in 0..<20_000 {
      var frame = samples[round % samples.count]
      for _ in 0..<3 {
        frame[Int(generator.next() % UInt64(frame.count))] = UInt8(truncatingIfNeeded: generator.next())
      }
      frame.removeLast(Int(generator.next() % UInt64(frame.count)))
      _ = receive(frame, &hood, now: UInt64(round))
      hood.tick(UInt64(round))
      _ = hood.drain()
    }
    #expect(hood.vips.owns(family.vip))
  }
}
