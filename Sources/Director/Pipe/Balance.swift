import LVS

/// Packets of the transports that are balanced: the way through the connection table.
extension Director {
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
    guard mayOpen(packet) else { return unclaimed(frame, packet) }
    switch schedule(NewFlow(packet, key, vip, state: next(.none, packet), frame: frame)) {
    case .server(let server): return forward(frame, packet, server)
    case .unclaimed: return unclaimed(frame, packet)
    case .noServer(isFTP: true) where packet.destinationPort != 21: return unclaimed(frame, packet)
    case .noServer: return answer(frame, packet, .portUnreachable, .noServer)
    case .refused(let reason): return .drop(reason)
    }
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
}
