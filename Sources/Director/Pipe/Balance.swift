import LVS

/// Packets of the transports that are balanced: the way through the connection table.
extension Director {
  /// The lifetime of a connection whose first packet says nothing of its state.
  private static let firstTimeout = 3 * ticksPerSecond
  /// No connection from FTP's data port is ever scheduled.
  static let ftpData: UInt16 = 20

  mutating func balance(_ frame: Bytes, _ packet: Packet, _ vip: UInt16) -> Verdict {
    let key = ConnectionKey(packet, vip)
    let number = connections.find(key)
    guard number != 0, !TimerWheel.reached(connections[number].expires, by: now) || isAlive(number) else {
      if number != 0 { end(number, forced: false) }
      return schedule(frame, packet, vip, key)
    }
    let server = connections[number].server
    if opens(packet), isToBeRescheduled(number, packet) {
      return reschedule(number, frame, packet, vip, key)
    }
    guard servers[server].isAvailable.load(ordering: .relaxed) else {
      guard settings.expireNodestConn != 0 else { return .drop(.deadServer) }
      end(number, forced: false)
      return schedule(frame, packet, vip, key)
    }
    advance(number, packet)
    return forward(frame, packet, server)
  }

  /// Whether a packet begins a connection, as far as it can tell: a SYN (with or without ACK), an INIT.
  @inline(__always)
  private func opens(_ packet: Packet) -> Bool {
    packet.transport == TCP.number
      ? packet.tcpFlags & TCP.syn != 0 : packet.transport == SCTP.number && packet.kind == SCTP.initiate
  }

  /// The reuse check: whether a packet that opens a connection gets a new server although it has one.
  @inline(never)
  private mutating func isToBeRescheduled(_ number: UInt32, _ packet: Packet) -> Bool {
    let connection = connections[number]
    if settings.expireNodestConn != 0, servers[connection.server].isQuiesced.load(ordering: .relaxed) {
      return true
    }
    guard settings.connReuseMode != 0, connection.parent == 0 else { return false }
    let state = ConnectionState(rawValue: connection.state)
    return state == .timeWait || state == .close || state == .sctpClosed
      || settings.connReuseMode & 2 != 0 && state == .finWait
  }

  /// Schedules anew while the old connection still counts, then ends that; as the kernel's timer comes after its picks.
  @inline(never)
  private mutating func reschedule(
    _ old: UInt32, _ frame: Bytes, _ packet: Packet, _ vip: UInt16, _ key: ConnectionKey
  ) -> Verdict {
    guard hasFreeRoom() else {
      // What is ended for the new connection might be the old one.
      end(old, forced: false)
      return schedule(frame, packet, vip, key)
    }
    let verdict = schedule(frame, packet, vip, key)
    end(old, forced: false)
    return verdict
  }

  /// Whether a packet without a connection may have one: a SYN without RST, any datagram, an INIT.
  @inline(__always)
  private func mayOpen(_ packet: Packet) -> Bool {
    switch packet.transport {
    case TCP.number:
      packet.tcpFlags & TCP.rst == 0 && (packet.tcpFlags & TCP.syn != 0 || settings.sloppyTCP != 0)
    case SCTP.number:
      packet.kind == SCTP.initiate || settings.sloppySCTP != 0 && packet.kind != SCTP.abort
    default: true
    }
  }

  @inline(never)
  private mutating func schedule(
    _ frame: Bytes, _ packet: Packet, _ vip: UInt16, _ key: ConnectionKey
  ) -> Verdict {
    keepUp()
    guard !shared.moving.contains(packet.destination, now: now) else { return .drop(.vipMoving) }
    let match = table.service(packet, vip)
    guard match != .none, mayOpen(packet), let service = snapshot.services[Int(match.number)]
    else { return unclaimed(frame, packet) }
    guard !isDefended() else { return .drop(.scheduleDefence) }
    guard packet.sourcePort != Self.ftpData else { return unclaimed(frame, packet) }
    guard let callID = callID(frame, packet, match) else { return .drop(.noCallId) }
    let new = NewConnection(
      client: packet.source, clientPort: packet.sourcePort, destination: packet.destination, now: now)
    let state = next(.none, packet)
    let isOnePacket = packet.transport == UDP.number && match.isOnePacket
    guard isOnePacket || hasRoom() else { return .drop(.connectionTableFull) }
    switch open(service, new, packet.destinationPort, vip, callID, active: isOnePacket ? nil : state.isActive) {
    case .notOurs: return unclaimed(frame, packet)
    case .templatesFull: return .drop(.templateTableFull)
    case .noServer: return noServer(frame, packet, service)
    case .server(let server, let template):
      counters.connection(server: server, service: match.number)
      if !isOnePacket { insert(key, server, template, state) }
      counters.packet(server: server, service: match.number, bytes: packet.length)
      return forward(frame, packet, server)
    }
  }

  /// Has the service find a server, and a template where it has such: for that one other connection may have to end.
  mutating func open(
    _ service: Service, _ new: NewConnection, _ port: UInt16, _ vip: UInt16, _ callID: UInt64, active: Bool?
  ) -> ServiceState.Opening {
    let opening = tryToOpen(service, new, port, vip, callID, active: active)
    guard case .templatesFull = opening, evictTemplate() else { return opening }
    return tryToOpen(service, new, port, vip, callID, active: active)
  }

  /// Changes nothing of the director itself, which the compiler would copy to lend it to a function that says so.
  private mutating func tryToOpen(
    _ service: Service, _ new: NewConnection, _ port: UInt16, _ vip: UInt16, _ callID: UInt64, active: Bool?
  ) -> ServiceState.Opening {
    let (shared, expireQuiescent) = (shared, settings.expireQuiescentTemplate != 0)
    return service.locked { locked in
      locked.open(
        new, port: port, vip: vip, callID: callID, active: active, expireQuiescent: expireQuiescent, shared)
    }
  }

  /// The hash of the message's Call-ID where the service goes by that, else 0; nil where it has none.
  /// As `tryToOpen`, it says that it might change the director.
  private mutating func callID(_ frame: Bytes, _ packet: Packet, _ match: ServiceTable.Match) -> UInt64? {
    guard match.usesCallID else { return 0 }
    guard packet.transport == UDP.number, let whole = frame.resized(to: packet.end) else { return nil }
    return SIP.callID(whole.dropping(packet.transportHeader + UDP.length), seed: seed)
  }

  /// Puts a new connection, which its server counts already, into the table.
  ///
  /// - Parameter saysState: whether its first packet says what its state is.
  /// - Returns: its number.
  @discardableResult
  mutating func insert(
    _ key: ConnectionKey, _ server: UInt32, _ template: UInt32, _ state: ConnectionState,
    saysState: Bool = true
  ) -> UInt32 {
    let number = connections.insert(key)
    connections[number].server = server
    connections[number].parent = template
    connections[number].state = state.rawValue
    connections[number].packets = 1
    connections[number].flags = state.isActive ? [] : .inactive
    connections.time(number, expires: now &+ (saysState ? timeout(state) : Self.firstTimeout), lane: state.lane)
    if template != 0, state.isEstablished { shared.persistence.assure(template) }
    return number
  }

  /// The state after a packet.
  @inline(__always)
  private func next(_ state: ConnectionState, _ packet: Packet) -> ConnectionState {
    switch packet.transport {
    case TCP.number: TCPTransition.next(state, flags: packet.tcpFlags, secure: settings.defense.isSecure)
    case SCTP.number: SCTPTransition.next(state, chunk: packet.kind)
    default: .udp
    }
  }

  /// Counts a packet of a connection, moves its state on and its end away.
  private mutating func advance(_ number: UInt32, _ packet: Packet) {
    let old = connections[number].state
    let state = next(ConnectionState(stored: old), packet)
    count(number, state, connections[number].server, packet.length)
    if state.rawValue != old { enter(state, number) } else if state == .udp { settleFlow(number) }
  }

  /// Counts a packet of a connection and moves its end away.
  @inline(__always)
  mutating func count(_ number: UInt32, _ state: ConnectionState, _ server: UInt32, _ length: Int) {
    connections[number].packets &+= 1
    let (old, end) = (connections[number].expires, now &+ timeout(state))
    connections[number].expires = end
    if !TimerWheel.reached(old, by: end) { hasten(number, end) }
    counters.packet(server: server, service: servers[server].service, bytes: length)
  }

  /// The wheel would look at it again when its old end has come: too late where timeouts were shortened.
  @inline(never)
  private mutating func hasten(_ number: UInt32, _ end: UInt32) { connections.time(number, expires: end) }

  /// A flow of datagrams has its second one.
  @inline(never)
  private mutating func settleFlow(_ number: UInt32) {
    guard connections[number].lane != .settled else { return }
    connections.time(number, expires: connections[number].expires, lane: .settled)
  }

  /// A connection enters another state, and its server's counts follow.
  @inline(never)
  mutating func enter(_ state: ConnectionState, _ number: UInt32) {
    let expires = connections[number].expires
    if connections[number].flags.contains(.offloaded) { takeBack(number) }
    connections[number].state = state.rawValue
    // Ends may have moved nearer than the wheel's place for it.
    connections.time(number, expires: expires, lane: state.lane)
    let (server, parent) = (connections[number].server, connections[number].parent)
    if state.isActive == connections[number].flags.contains(.inactive) {
      connections[number].flags.formSymmetricDifference(.inactive)
      let shared = shared
      snapshot.services[Int(shared.servers[server].service)]?.locked { locked in
        locked.move(server, shared.servers, toActive: state.isActive)
      }
    }
    if parent != 0, state.isEstablished { shared.persistence.assure(parent) }
  }

  /// Ends a connection: its server and its template count it no more.
  ///
  /// - Parameter forced: before its time, for a reason that its template shares.
  @inline(never)
  mutating func end(_ number: UInt32, forced: Bool) {
    if connections[number].flags.contains(.offloaded) { takeBack(number) }
    let connection = connections[number]
    let shared = shared
    let isActive = !connection.flags.contains(.inactive)
    connections.remove(number)
    snapshot.services[Int(shared.servers[connection.server].service)]?.locked { locked in
      locked.unbind(connection.server, shared.servers, active: isActive)
    }
    if connection.parent != 0 { shared.persistence.disown(connection.parent, forced: forced) }
  }

  /// Ends the connections whose time is up, at most `budget` at once; whether there may be more.
  mutating func expire(budget: Int) -> Bool {
    var left = budget
    while true {
      let number = connections.nextExpired(now, budget: &left)
      guard number != 0 else { return left == 0 }
      if isAlive(number) {
        connections.time(number, expires: connections[number].expires)
      } else {
        end(number, forced: false)
      }
    }
  }

  /// Whether a packet that is too big must not be cut: any of IPv6, and one that says so, but for an ICMP error.
  @inline(never)
  private func mustStayWhole(_ frame: Bytes, _ packet: Packet) -> Bool {
    packet.family == .v6
      || frame.u16(packet.ip &+ IPv4.fragment) & IPv4.dontFragment != 0 && packet.transport != ICMP.number
  }

  /// Sends a packet to its server: a hop less, and the Ethernet addresses.
  mutating func forward(_ frame: Bytes, _ packet: Packet, _ server: UInt32) -> Verdict {
    lastServer = server
    guard packet.ttl > 1 else { return answer(frame, packet, .hopLimitExceeded, .hopLimit) }
    let isTooBig = packet.wireLength(frame) > link.mtu
    if isTooBig, mustStayWhole(frame, packet) {
      return answer(frame, packet, .packetTooBig(mtu: UInt16(clamping: link.mtu)), .packetTooBig)
    }
    if link.leavesChecksums, packet.fragment == .none { PartialChecksum.complete(frame, packet) }
    let verdict = send(frame, packet.family, packet.ip, server)
    return isTooBig && packet.metadata.segment == 0 ? .cut(server: server) : verdict
  }

  /// Readies a packet that fits and has hops left.
  @inline(__always)
  mutating func send(_ frame: Bytes, _ family: IPAddress.Family, _ ip: Int, _ server: UInt32) -> Verdict {
    lastServer = server
    if family == .v4 { IPv4.decrementTTL(frame, ip) } else { IPv6.decrementHopLimit(frame, ip) }
    let mac = servers[server].mac.load(ordering: .relaxed)
    Ethernet.readdress(frame, from: link.mac, to: MACAddress(mac))
    return mac == 0 ? .hold(server: server) : .transmit
  }
}
