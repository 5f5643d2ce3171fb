/// The life of a flow: one path each for how it begins, goes on, enters another state, and ends.
///
///     open ─► advance ─► enter ─► … ─► end
///
/// A flow that a peer tells of (`SyncedConnections`) goes by the same paths. Whatever else has to know of flows is told in
/// `observe`.
extension Director {
  private enum FlowEvent {
    /// It has begun, in this state.
    case opened(ConnectionState)
    /// It is about to enter this state.
    case enters(ConnectionState)
    /// It is about to end; before its time where that is forced.
    case ends(isForced: Bool)
  }

  /// Puts a new connection into the table, which its server and its template count already.
  ///
  /// - Parameters:
  ///   - template: controls it; 0 for none.
  ///   - lifetime: without another packet, in hundredths of a second.
  /// - Returns: its number.
  @discardableResult
  mutating func open(
    _ key: ConnectionKey, _ server: ServerNumber, _ template: TemplateNumber, _ state: ConnectionState,
    for lifetime: UInt32
  ) -> ConnectionNumber {
    let number = connections.insert(key)
    connections[number].server = server
    connections[number].parent = template
    connections[number].state = state.rawValue
    connections[number].packets = 1
    connections[number].flags = state.isActive ? [] : .inactive
    connections.time(number, expires: now &+ lifetime, lane: state.lane)
    observe(.opened(state), number)
    return number
  }

  /// Counts a packet of a connection, moves its state on and its end away.
  mutating func advance(_ number: ConnectionNumber, _ packet: Packet) {
    let old = connections[number].state
    let state = next(ConnectionState(stored: old), packet)
    count(number, state, connections[number].server, packet.length)
    if state.rawValue != old { enter(state, number) } else if state == .udp { settleFlow(number) }
  }

  /// Counts a packet of a connection and moves its end away.
  @inline(__always)
  mutating func count(_ number: ConnectionNumber, _ state: ConnectionState, _ server: ServerNumber, _ length: Int) {
    connections[number].packets &+= 1
    let (old, end) = (connections[number].expires, now &+ timeout(state))
    connections[number].expires = end
    if !TimerWheel.reached(old, by: end) { hasten(number, end) }
    counters.packet(server: server, service: servers[server].service, bytes: length)
  }

  /// The wheel would look at it again when its old end has come: too late where timeouts were shortened.
  @inline(never)
  private mutating func hasten(_ number: ConnectionNumber, _ end: UInt32) { connections.time(number, expires: end) }

  /// A flow of datagrams has its second one.
  @inline(never)
  private mutating func settleFlow(_ number: ConnectionNumber) {
    guard connections[number].lane != .settled else { return }
    connections.time(number, expires: connections[number].expires, lane: .settled)
  }

  /// A connection enters another state, and its server's counts follow.
  @inline(never)
  mutating func enter(_ state: ConnectionState, _ number: ConnectionNumber) {
    let expires = connections[number].expires
    observe(.enters(state), number)
    connections[number].state = state.rawValue
    // Ends may have moved nearer than the wheel's place for it.
    connections.time(number, expires: expires, lane: state.lane)
    guard state.isActive == connections[number].flags.contains(.inactive) else { return }
    connections[number].flags.formSymmetricDifference(.inactive)
    let (server, servers) = (connections[number].server, servers)
    snapshot.services[Int(servers[server].service)]?.locked { $0.move(server, servers, toActive: state.isActive) }
  }

  /// Ends a connection: its server and its template count it no more.
  ///
  /// - Parameter forced: before its time, for a reason that its template shares.
  @inline(never)
  mutating func end(_ number: ConnectionNumber, forced: Bool) {
    observe(.ends(isForced: forced), number)
    let (server, isActive) = (connections[number].server, !connections[number].flags.contains(.inactive))
    connections.remove(number)
    let servers = servers
    snapshot.services[Int(servers[server].service)]?.locked { $0.unbind(server, servers, active: isActive) }
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

  /// Tells what follows flows of this one: the XDP program, which must not forward it past a decision, and the template
  /// that controls it.
  private mutating func observe(_ event: FlowEvent, _ number: ConnectionNumber) {
    if connections[number].flags.contains(.offloaded) { takeBack(number) }
    let template = connections[number].parent
    guard template != 0 else { return }
    switch event {
    case .opened(let state), .enters(let state): if state.isEstablished { shared.persistence.assure(template) }
    case .ends(let isForced): shared.persistence.disown(template, forced: isForced)
    }
  }
}
