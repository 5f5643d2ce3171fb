import LVS

/// Room for new connections: where the table is full, those end that are hardly missed.
///
/// In this order: what was begun and then quiet for longer than a handshake takes; what was reset; what is closing and
/// quiet; what was begun just now. Of each the oldest, and of what was begun that of the transport that has most, which
/// in a flood is the flood's. A new connection is the last of its kind, so a client that goes on within the time that
/// the table takes to fill with others keeps its own. Established connections are never ended for a new one.
extension Director {
  /// Without a packet for so long, in hundredths of a second, a connection is quiet: a client's first SYN is sent again
  /// after one second.
  private static let quiet = 2 * ticksPerSecond
  /// Connections that are looked at to find a closing one that is quiet, and one that has a template.
  private static let closingLooks = 4
  private static let templateLooks = 16
  /// Connections that are ended after each batch for another worker.
  private static let handful = 256

  /// Whether there is room for one more connection, made where need be.
  @inline(__always)
  mutating func hasRoom() -> Bool { hasFreeRoom() || evict() }

  /// The same where none is to end for it.
  @inline(__always)
  mutating func hasFreeRoom() -> Bool { connections.count &+ shared.room.reserve < room || widen() }

  /// Another portion of the room that workers share, ahead of need.
  @inline(never)
  private mutating func widen() -> Bool {
    let taken = shared.room.take()
    room += taken
    if taken == 0, expendable < shared.room.portion { shared.room.want() }
    return connections.count < room
  }

  /// Connections that may end for others.
  private var expendable: Int {
    connections.count(.freshTCP) + connections.count(.freshUDP) + connections.count(.freshSCTP)
      + connections.count(.closing) + connections.count(.closed)
  }

  /// Ends the connection that is missed least; whether there was one.
  @inline(never)
  mutating func evict() -> Bool {
    let begun = connections.first(of: fullestLane)
    if begun != 0, isQuiet(begun) { return evict(begun) }
    let closed = connections.first(of: .closed)
    if closed != 0 { return evict(closed) }
    if let closing = quietClosing() { return evict(closing) }
    return begun != 0 && evict(begun)
  }

  /// Ends a connection whose template goes with it, to make room for another template; whether there was one.
  @inline(never)
  mutating func evictTemplate() -> Bool {
    var number = connections.first(of: fullestLane)
    for _ in 0..<Self.templateLooks {
      guard number != 0 else { return false }
      if connections[number].parent != 0 { return evict(number) }
      number = connections.next(after: number)
    }
    return false
  }

  private mutating func evict(_ number: ConnectionNumber) -> Bool {
    counters.evicted(connections[number].lane)
    end(number, forced: true)
    return true
  }

  private var fullestLane: Lane {
    var fullest = Lane.freshTCP
    if connections.count(.freshUDP) > connections.count(fullest) { fullest = .freshUDP }
    if connections.count(.freshSCTP) > connections.count(fullest) { fullest = .freshSCTP }
    return fullest
  }

  func isQuiet(_ number: ConnectionNumber) -> Bool {
    let connection = connections[number]
    return TimerWheel.reached(connection.expires, by: now)
      || connection.expires &- now &+ Self.quiet <= timeout(ConnectionState(stored: connection.state))
  }

  /// A closing connection that is quiet. What comes before it had packets since it was placed, and is placed anew.
  private mutating func quietClosing() -> ConnectionNumber? {
    for _ in 0..<Self.closingLooks {
      let number = connections.first(of: .closing)
      guard number != 0 else { return nil }
      if isQuiet(number) { return number }
      connections.time(number, expires: connections[number].expires)
    }
    return nil
  }

  // MARK: Workers

  /// Makes room for a worker that is in need of it, where this one has connections to spare; whether there is more to do.
  mutating func makeRoomForOthers() -> Bool {
    guard shared.room.hasWanting, expendable > shared.room.portion else { return false }
    for _ in 0..<Self.handful {
      guard room - connections.count < shared.room.portion else {
        giveRoom(shared.room.portion)
        return false
      }
      guard evict() else { return false }
    }
    return true
  }

  /// Gives room back that this worker does not need. To be called about once a second.
  mutating func giveSpareRoom() {
    let spare = (room - connections.count) / shared.room.portion - 1
    if spare > 0, shared.room.portion < shared.room.total { giveRoom(spare * shared.room.portion) }
  }

  private mutating func giveRoom(_ amount: Int) {
    room -= amount
    shared.room.give(amount)
  }
}
