import LVS

/// A flow that has no connection, as it is to be scheduled, whatever packet told of it.
struct NewFlow {
  /// From the client to the VIP.
  let packet: Packet
  let key: ConnectionKey
  let vip: UInt16
  /// What schedulers that go by destinations go by.
  let destination: IPAddress
  /// The state that its connection begins in, and whether the packet told of it.
  let state: ConnectionState
  let saysState: Bool
  /// Bytes that are counted.
  let length: Int
  /// The frame that the packet came in; nil where another packet quotes it.
  let frame: Bytes?

  /// A flow of which a packet came.
  init(_ packet: Packet, _ key: ConnectionKey, _ vip: UInt16, state: ConnectionState, frame: Bytes) {
    (self.packet, self.key, self.vip, self.state, self.frame) = (packet, key, vip, state, frame)
    (destination, saysState, length) = (packet.destination, true, packet.length)
  }

  /// A flow that an ICMP error is about, which quotes a packet from the VIP. Schedulers that go by the destination go by
  /// the quoted packet's: the kernel's `dh`, `lblc` and `lblcr` do.
  init(quoted: Packet, by error: Packet, _ key: ConnectionKey, _ vip: UInt16) {
    var packet = quoted
    (packet.source, packet.destination) = (quoted.destination, quoted.source)
    (packet.sourcePort, packet.destinationPort) = (quoted.destinationPort, quoted.sourcePort)
    (self.packet, self.key, self.vip, frame) = (packet, key, vip, nil)
    (destination, state) = (quoted.destination, quoted.transport == UDP.number ? .udp : .none)
    (saysState, length) = (false, error.length)
  }
}

/// What came of a flow that wanted a server.
enum Scheduling {
  case server(ServerNumber)
  /// No service wants it.
  case unclaimed
  /// No server can take it; whether its service is FTP's, which leaves other ports to the host.
  case noServer(isFTP: Bool)
  case refused(DropReason)
}

/// The one way to a server for what has none, for packets and for what is related to flows.
extension Director {
  /// The lifetime of a connection whose first packet says nothing of its state.
  private static let firstTimeout = 3 * ticksPerSecond
  /// No connection from FTP's data port is ever scheduled.
  private static let ftpData: UInt16 = 20
  private static let ftp: UInt16 = 21

  /// Finds a server for a flow, makes its connection, and counts the packet. By what is in force: see `keepUp`.
  mutating func schedule(_ flow: NewFlow) -> Scheduling {
    let match = table.service(flow.packet, flow.vip)
    guard match != .none, let service = snapshot.services[Int(match.number)] else { return .unclaimed }
    guard !isDefended() else { return .refused(.scheduleDefense) }
    guard flow.packet.sourcePort != Self.ftpData else { return .unclaimed }
    guard let callID = callID(flow, match) else { return .refused(.noCallId) }
    let isOnePacket = flow.packet.transport == UDP.number && match.isOnePacket
    guard isOnePacket || hasRoom() else { return .refused(.connectionTableFull) }
    switch open(service, flow, callID, active: isOnePacket ? nil : flow.state.isActive) {
    case .notOurs: return .unclaimed
    case .templatesFull: return .refused(.templateTableFull)
    case .noServer:
      if case .endpoint(_, let end) = service.key { return .noServer(isFTP: end.port == Self.ftp) }
      return .noServer(isFTP: false)
    case .server(let server, let template):
      counters.connection(server: server, service: match.number)
      if !isOnePacket {
        open(flow.key, server, template, flow.state, for: flow.saysState ? timeout(flow.state) : Self.firstTimeout)
      }
      counters.packet(server: server, service: match.number, bytes: flow.length)
      return .server(server)
    }
  }

  /// Has the service find a server, and a template where it has such: for that one other connection may have to end.
  private mutating func open(
    _ service: Service, _ flow: NewFlow, _ callID: UInt64, active: Bool?
  ) -> ServiceState.Opening {
    let opening = tryToOpen(service, flow, callID, active: active)
    guard case .templatesFull = opening, evictTemplate() else { return opening }
    return tryToOpen(service, flow, callID, active: active)
  }

  /// Changes nothing of the director itself, which the compiler would copy to lend it to a function that says so.
  private mutating func tryToOpen(
    _ service: Service, _ flow: NewFlow, _ callID: UInt64, active: Bool?
  ) -> ServiceState.Opening {
    let (shared, expireQuiescent) = (shared, settings.expireQuiescentTemplate != 0)
    let new = NewConnection(
      client: flow.packet.source, clientPort: flow.packet.sourcePort, destination: flow.destination, now: now)
    return service.locked { locked in
      locked.open(
        new, port: flow.packet.destinationPort, vip: flow.vip, callID: callID, active: active,
        expireQuiescent: expireQuiescent, shared)
    }
  }

  /// The hash of the message's Call-ID where the service goes by that, else 0; nil where it has none.
  /// As `tryToOpen`, it says that it might change the director.
  private mutating func callID(_ flow: NewFlow, _ match: ServiceTable.Match) -> UInt64? {
    guard match.usesCallID else { return 0 }
    guard flow.packet.transport == UDP.number, let whole = flow.frame?.resized(to: flow.packet.end) else { return nil }
    return SIP.callID(whole.dropping(flow.packet.transportHeader + UDP.length), seed: seed)
  }
}
