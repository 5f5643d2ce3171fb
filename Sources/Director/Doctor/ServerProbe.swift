import LVS

/// What came of sending packets for a VIP straight to a real server.
struct ProbeResult: Sendable, Equatable {
  enum Outcome: Sendable {
    case fine
    /// The VIP is there, and nothing listens on the port.
    case refused
    /// The VIP is there, and the port is silent.
    case filtered
    /// Nothing at all comes back in the VIP's name, but the server answers at its own address.
    case withoutVIP
    /// Nothing comes back at all.
    case silent
    /// The server's Ethernet address is not known: nothing could be sent.
    case unsent
  }

  var server: IPAddress
  var virtual: Endpoint
  var outcome = Outcome.fine
  var answersSmall = false
  /// A packet as large as the interface's MTU was answered too, in one piece.
  var answersLarge = false
}

/// The packets that find out what a real server does with one for the VIP, and what is made of the answers.
///
/// A SYN to the service's port, a SYN to a port where nothing listens, a small ping and a large one, all to the VIP, and
/// a ping to the server's own address; in the director's name, straight to the server's station. They live for one hop: a server that would route them on
/// does not have the VIP.
struct ServerProbe {
  struct Target: Sendable {
    var server: IPAddress
    var mac: MACAddress
    var virtual: Endpoint
    var transport: TransportProtocol
    /// The director's own address.
    var sender: IPAddress
  }

  private struct Heard {
    var accepted = false
    var refused = false
    var isAlive = false
    var small = false
    var large = false
    /// At its own address.
    var own = false
  }

  /// The first source port; each target has two, for the service's port and for the closed one.
  private static let firstPort: UInt16 = 40_000
  /// tcpmux: nobody offers it any more.
  private static let closedPort: UInt16 = 1
  /// The bit of a ping's identifier that tells the large one.
  private static let largeBit: UInt16 = 0x8000
  /// The bit of the one to the server's own address.
  private static let ownBit: UInt16 = 0x4000
  static let capacity = 10_000

  let targets: [Target]
  private let station: MACAddress
  private let mtu: Int
  private var heard: [Heard]

  init(_ targets: [Target], from station: MACAddress, mtu: Int) {
    self.targets = Array(targets.prefix(Self.capacity))
    (self.station, self.mtu) = (station, mtu)
    heard = self.targets.map { _ in Heard() }
  }

  /// All frames to send, by target.
  var frames: [[UInt8]] { targets.indices.flatMap(frames) }

  private func frames(_ index: Int) -> [[UInt8]] {
    let target = targets[index]
    let port = Self.firstPort + 2 * UInt16(index)
    var frames = [segment(target, from: port + 1, to: Self.closedPort, TCP.syn), ping(target, UInt16(index), room: 8)]
    let header = target.sender.family == .v4 ? IPv4.length : IPv6.length
    frames.append(ping(target, UInt16(index) | Self.largeBit, room: mtu - header - ICMP.length))
    frames.append(ping(target, UInt16(index) | Self.ownBit, room: 8, to: target.server))
    switch target.transport {
    case .tcp where target.virtual.port != 0:
      frames.append(segment(target, from: port, to: target.virtual.port, TCP.syn))
    case .udp where target.virtual.port != 0: frames.append(datagram(target, from: port))
    default: break
    }
    return frames
  }

  /// Takes a frame that came for the director's own address.
  ///
  /// - Returns: a frame that ends what the answer would begin.
  mutating func receive(_ frame: Bytes) -> [UInt8]? {
    var packet = Packet()
    guard packet.parseNetwork(frame) == nil, packet.fragment != .later, packet.parseTransport(frame) == nil else {
      return nil
    }
    switch packet.transport {
    case TCP.number: return answer(packet, frame)
    case ICMP.number, ICMP.numberV6: control(packet, frame)
    default:
      if let index = index(port: packet.destinationPort, from: packet.source) { heard[index].accepted = true }
    }
    return nil
  }

  private mutating func answer(_ packet: Packet, _ frame: Bytes) -> [UInt8]? {
    guard let index = index(port: packet.destinationPort, from: packet.source) else { return nil }
    heard[index].isAlive = true
    let isReset = packet.tcpFlags & TCP.rst != 0
    guard packet.sourcePort == targets[index].virtual.port else { return nil }
    if isReset { heard[index].refused = true } else { heard[index].accepted = true }
    let acknowledged = frame.u32(packet.transportHeader + TCP.acknowledgment)
    return isReset
      ? nil
      : segment(targets[index], from: packet.destinationPort, to: packet.sourcePort, TCP.rst, sequence: acknowledged)
  }

  private mutating func control(_ packet: Packet, _ frame: Bytes) {
    let reply = packet.family == .v4 ? ICMP.echoReply : ICMP.echoReplyV6
    let identifier = frame.u16(packet.transportHeader + ICMP.rest)
    let number = Int(identifier & ~(Self.largeBit | Self.ownBit))
    if packet.kind == reply, number < targets.count, identifier & Self.ownBit != 0 {
      if packet.source == targets[number].server { heard[number].own = true }
    } else if packet.kind == reply, number < targets.count, packet.source == targets[number].virtual.address {
      heard[number].isAlive = true
      if identifier & Self.largeBit == 0 {
        heard[number].small = true
      } else if packet.fragment == .none {
        heard[number].large = true
      }
    } else if packet.kind == (packet.family == .v4 ? ICMP.unreachable : 1), let quoted = packet.embedded(frame),
      quoted.fragment != .later, let index = index(port: quoted.sourcePort, from: quoted.destination)
    {
      // An error in the server's own name comes from a host without the VIP.
      guard packet.source == targets[index].virtual.address else { return }
      heard[index].isAlive = true
      if quoted.transport == UDP.number { heard[index].refused = true }
    }
  }

  private func index(port: UInt16, from vip: IPAddress) -> Int? {
    guard port >= Self.firstPort else { return nil }
    let index = Int(port - Self.firstPort) / 2
    return index < targets.count && targets[index].virtual.address == vip ? index : nil
  }

  /// What was found out so far.
  var results: [ProbeResult] {
    zip(targets, heard).map { target, heard in
      var result = ProbeResult(server: target.server, virtual: target.virtual)
      result.answersSmall = heard.small
      result.answersLarge = heard.large
      let isOpen = heard.accepted || target.transport != .tcp || target.virtual.port == 0
      result.outcome =
        if heard.refused { .refused } else if heard.isAlive || heard.accepted { isOpen ? .fine : .filtered } else {
          heard.own ? .withoutVIP : .silent
        }
      return result
    }
  }

  // MARK: Building

  private func segment(
    _ target: Target, from port: UInt16, to other: UInt16, _ flags: UInt8, sequence: UInt32 = 1
  ) -> [UInt8] {
    frame(target, TCP.number, length: TCP.length, checksum: TCP.checksum) { tcp in
      tcp.set(0, port)
      tcp.set(2, other)
      tcp.set(TCP.sequence, sequence)
      tcp.set(TCP.dataOffset, UInt8(TCP.length / 4) << 4)
      tcp.set(TCP.flags, flags)
      tcp.set(TCP.window, UInt16(1024))
    }
  }

  private func datagram(_ target: Target, from port: UInt16) -> [UInt8] {
    frame(target, UDP.number, length: UDP.length, checksum: UDP.checksum) { udp in
      udp.set(0, port)
      udp.set(2, target.virtual.port)
      udp.set(UDP.datagramLength, UInt16(UDP.length))
    }
  }

  private func ping(_ target: Target, _ identifier: UInt16, room: Int, to address: IPAddress? = nil) -> [UInt8] {
    let isV4 = target.sender.family == .v4
    let number = isV4 ? ICMP.number : ICMP.numberV6
    return frame(target, number, length: ICMP.length + max(room, 0), checksum: ICMP.checksum, to: address) { icmp in
      icmp.set(0, isV4 ? ICMP.echoRequest : ICMP.echoRequestV6)
      icmp.set(ICMP.rest, identifier)
    }
  }

  /// A frame to the target's VIP, or to another address of its, around a transport's bytes, which `fill` writes into
  /// zeros.
  private func frame(
    _ target: Target, _ transport: UInt8, length: Int, checksum: Int, to address: IPAddress? = nil,
    _ fill: (Bytes) -> Void
  ) -> [UInt8] {
    let isV4 = target.sender.family == .v4
    let destination = address ?? target.virtual.address
    let start = Ethernet.length + (isV4 ? IPv4.length : IPv6.length)
    var bytes = [UInt8](repeating: 0, count: start + length)
    bytes.lend { frame in
      Ethernet.readdress(frame, from: station, to: target.mac)
      frame.set(Ethernet.type, isV4 ? Ethernet.ipv4 : Ethernet.ipv6)
      if isV4 {
        IPv4.write(
          frame, Ethernet.length, from: target.sender, to: destination, transport: transport,
          payload: length,
          dontFragment: true, ttl: 1)
      } else {
        IPv6.write(
          frame, Ethernet.length, from: target.sender, to: destination, next: transport, payload: length,
          hopLimit: 1)
      }
      let body = frame.dropping(start)
      fill(body)
      let pseudo =
        transport == ICMP.number
        ? 0 : Checksum.pseudoHeader(target.sender, destination, transport: transport, length: length)
      body.set(checksum, Checksum.finish(Checksum.sum(body, 0, length, pseudo)))
      return ((), length: frame.count)
    }
    return bytes
  }
}
