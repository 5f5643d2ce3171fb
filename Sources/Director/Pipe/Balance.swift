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
  private mutating func isToBeRescheduled(_ number: ConnectionNumber, _ packet: Packet) -> Bool {
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
    _ old: ConnectionNumber, _ frame: Bytes, _ packet: Packet, _ vip: UInt16, _ key: ConnectionKey
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
  func next(_ state: ConnectionState, _ packet: Packet) -> ConnectionState {
    switch packet.transport {
    case TCP.number: TCPTransition.next(state, flags: packet.tcpFlags, secure: settings.defense.isSecure)
    case SCTP.number: SCTPTransition.next(state, chunk: packet.kind)
    default: .udp
    }
  }
}
