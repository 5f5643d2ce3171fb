import LVS

/// What is done to a frame for its server: a value that the server has, whatever the frame.
///
/// As IPVS has one transmit function for each forwarding method, a method is a case here, which says what it adds to a
/// packet and how it writes the frame. Nothing else in the pipe asks for the method. Direct routing adds nothing and
/// writes two addresses.
struct Egress: Equatable {
  enum Method: UInt8, CaseIterable {
    case directRouting

    /// nil where frames cannot be sent so.
    init?(_ kind: ForwardingMethod.Kind) {
      guard let method = Self.allCases.first(where: { $0.kind == kind }) else { return nil }
      self = method
    }

    var kind: ForwardingMethod.Kind {
      switch self {
      case .directRouting: .route
      }
    }

    /// Bytes that it adds to a packet, which have to fit the interface's MTU too.
    @inline(__always)
    var headroom: Int {
      switch self {
      case .directRouting: 0
      }
    }
  }

  let method: Method
  /// The station that takes the frame; zero while it is not known.
  let nextHop: MACAddress

  @inline(__always)
  var isResolved: Bool { nextHop.value != 0 }

  /// How long a packet to the server may be.
  @inline(__always)
  func mtu(_ link: Link) -> Int { link.mtu &- method.headroom }

  /// Writes the server's addresses into a frame, whose hop is counted already.
  @inline(__always)
  func write(_ frame: Bytes, from link: Link) {
    switch method {
    case .directRouting: Ethernet.readdress(frame, from: link.mac, to: nextHop)
    }
  }
}

/// The way of packets that have their server.
extension Director {
  /// Whether a packet that is too big must not be cut: any of IPv6, and one that says so, but for an ICMP error.
  @inline(never)
  private func mustStayWhole(_ frame: Bytes, _ packet: Packet) -> Bool {
    packet.family == .v6
      || frame.u16(packet.ip &+ IPv4.fragment) & IPv4.dontFragment != 0 && packet.transport != ICMP.number
  }

  /// Sends a packet to its server: with one hop less, and as its egress says.
  mutating func forward(_ frame: Bytes, _ packet: Packet, _ server: UInt32) -> Verdict {
    guard packet.ttl > 1 else { return answer(frame, packet, .hopLimitExceeded, .hopLimit) }
    let mtu = servers[server].egress.mtu(link)
    let isTooBig = packet.wireLength(frame) > mtu
    if isTooBig, mustStayWhole(frame, packet) {
      return answer(frame, packet, .packetTooBig(mtu: UInt16(clamping: mtu)), .packetTooBig)
    }
    if link.leavesChecksums, packet.fragment == .none { PartialChecksum.complete(frame, packet) }
    let verdict = send(frame, packet.family, packet.ip, server)
    return isTooBig && packet.metadata.segment == 0 ? .cut(server: server) : verdict
  }

  /// Readies a packet that fits and has hops left.
  @inline(__always)
  mutating func send(_ frame: Bytes, _ family: IPAddress.Family, _ ip: Int, _ server: UInt32) -> Verdict {
    if family == .v4 { IPv4.decrementTTL(frame, ip) } else { IPv6.decrementHopLimit(frame, ip) }
    let egress = servers[server].egress
    egress.write(frame, from: link)
    return egress.isResolved ? .transmit(server: server) : .hold(server: server)
  }
}
