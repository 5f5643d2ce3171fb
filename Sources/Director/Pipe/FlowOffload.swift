import LVS

/// A worker's side of the flows that the XDP program forwards by itself: which it is to, and what it counted.
struct FlowOffload: ~Copyable {
  /// An entry that the program may be at for a moment yet.
  private struct Retired {
    let place: Int
    let server: ServerNumber
    /// A time that was read after it was taken back, once there is one; until then the one before.
    var since: UInt32
  }

  let flows: FlowTable
  let worker: UInt32
  /// Connections that ask for an entry, once their batch is on its way.
  private let offered = Buffer<ConnectionNumber>(repeating: 0, count: Director.batch)
  private var offers = 0
  private var retired: [Retired] = []
  private var released = 0
  /// Of the retired ones, those whose time was read afterwards.
  private var stamped = 0
  /// Entries whose counts are yet to be fetched.
  private var unsettled = 0
  /// Entries that connections of this worker have.
  private(set) var count = 0

  init(_ flows: FlowTable, worker: UInt32) {
    (self.flows, self.worker) = (flows, worker)
  }

  mutating func offer(_ number: ConnectionNumber) {
    guard offers < offered.count else { return }
    offered[offers] = number
    offers += 1
  }

  mutating func takeOffer() -> ConnectionNumber? {
    guard offers > 0 else { return nil }
    offers -= 1
    return offered[offers]
  }

  /// An entry for a connection; nil where others have all that it could get.
  mutating func claim(_ key: ConnectionKey, connection: ConnectionNumber) -> Int? {
    let place = flows.claim(key, connection: connection, worker: worker)
    if place != nil { count += 1 }
    return place
  }

  /// Has an entry forwarded by no more, and given away when the program cannot be at it any longer.
  mutating func retire(_ place: Int, server: ServerNumber, now: UInt32) {
    flows.retire(place)
    count -= 1
    retired.append(Retired(place: place, server: server, since: now))
  }

  /// The next entry that can be given away, and the server of its flow.
  mutating func nextReleased(_ now: UInt32) -> (place: Int, server: ServerNumber)? {
    while stamped < retired.count, retired[stamped].since != now {
      retired[stamped].since = now
      stamped += 1
    }
    // A tick may have been about to end.
    guard released < stamped, now &- retired[released].since >= 2 else {
      retired.removeFirst(released)
      (released, stamped) = (0, stamped - released)
      return nil
    }
    defer { released += 1 }
    return (retired[released].place, retired[released].server)
  }

  mutating func beginSettling() { unsettled = count == 0 ? 0 : flows.count }

  /// The next entries whose counts are to be fetched, none when all were.
  mutating func nextUnsettled(limit: Int) -> Range<Int> {
    let count = min(limit, unsettled)
    defer { unsettled -= count }
    return unsettled - count..<unsettled
  }
}

extension Director {
  /// With its ninth packet a connection asks for an entry, and with every eighth from there on. `drop_entry` spares
  /// those with more than eight.
  static let offerInterval: UInt32 = 8
  /// Hundredths of a second without a packet after which an entry may be another flow's.
  private static let idleLimit: UInt32 = 100

  /// Has flows forwarded by the XDP program from now on, or by none.
  mutating func offload(to flows: FlowTable?) {
    beginSettling()
    while settle(limit: .max) {}
    offload = flows.map { FlowOffload($0, worker: ownership.worker) }
    isOffloading = flows != nil
  }

  /// Apart from the rest of the pipe, since few packets come here.
  @inline(never)
  mutating func offer(_ number: ConnectionNumber) { offload?.offer(number) }

  /// Has the XDP program forward the flows of the last batch that asked for it, where they need no decision.
  mutating func offloadOffered() {
    while let number = offload?.takeOffer() { offload(number) }
  }

  private mutating func offload(_ number: ConnectionNumber) {
    guard let flows = offload?.flows, connections.isLive(number) else { return }
    // Before it is looked at what the flow meets.
    let generation = flows.generation.current
    // An entry of no generation would be nobody's to find again.
    guard generation != 0 else { return }
    let connection = connections[number]
    let server = connection.server
    let egress = servers[server].egress
    guard ConnectionState(stored: connection.state).needsNoDecision, egress.isResolved,
      servers[server].isAvailable.load(ordering: .relaxed)
    else { return }
    let known = connection.flags.contains(.offloaded) ? flows.find(connection.key, worker: ownership.worker) : nil
    guard let place = known ?? offload?.claim(connection.key, connection: number) else {
      return makeRoom(for: connection.key)
    }
    connections[number].flags.insert(.offloaded)
    flows.enter(place, to: egress.nextHop, worker: ownership.worker, generation: generation, now: now)
  }

  /// Takes the entry of a flow that is silent, so that a livelier one gets it when it asks the next time.
  private mutating func makeRoom(for key: ConnectionKey) {
    guard let place = offload?.flows.idle(key, worker: ownership.worker, since: now &- Self.idleLimit),
      let number = offload?.flows.connection(place)
    else { return }
    takeBack(number, place)
  }

  /// Has the director see a connection's packets again.
  @inline(never)
  mutating func takeBack(_ number: ConnectionNumber) {
    guard let place = offload?.flows.find(connections[number].key, worker: ownership.worker) else {
      connections[number].flags.remove(.offloaded)
      return
    }
    takeBack(number, place)
  }

  private mutating func takeBack(_ number: ConnectionNumber, _ place: Int) {
    settle(number, place)
    connections[number].flags.remove(.offloaded)
    offload?.retire(place, server: connections[number].server, now: now)
  }

  // MARK: Counts

  /// Whether a connection whose time seems to be up had packets meanwhile that the XDP program forwarded.
  @inline(never)
  mutating func isAlive(_ number: ConnectionNumber) -> Bool {
    guard connections[number].flags.contains(.offloaded),
      let place = offload?.flows.find(connections[number].key, worker: ownership.worker)
    else { return false }
    settle(number, place)
    return !TimerWheel.reached(connections[number].expires, by: now)
  }

  mutating func beginSettling() { offload?.beginSettling() }

  /// Fetches the counts of at most so many entries; whether there are more.
  mutating func settle(limit: Int) -> Bool {
    guard let flows = offload?.flows, let places = offload?.nextUnsettled(limit: limit) else { return false }
    for place in places where flows.isLive(place, worker: ownership.worker) {
      settle(flows.connection(place), place)
    }
    return !places.isEmpty
  }

  private mutating func settle(_ number: ConnectionNumber, _ place: Int) {
    guard let tally = offload?.flows.collect(place) else { return }
    let connection = connections[number]
    let expires = tally.seen &+ timeout(ConnectionState(stored: connection.state))
    connections[number].packets &+= UInt32(truncatingIfNeeded: tally.packets)
    if TimerWheel.reached(connection.expires, by: expires) { connections[number].expires = expires }
    count(tally, connection.server)
  }

  private func count(_ tally: FlowTable.Tally, _ server: ServerNumber) {
    counters.offloaded.add(tally.packets)
    counters.packets(
      tally.packets, server: server, service: servers[server].service, bytes: tally.bytes)
  }

  /// Gives away the entries that were taken back.
  mutating func releaseEntries() {
    while let (place, server) = offload?.nextReleased(now) {
      if let tally = offload?.flows.collect(place) { count(tally, server) }
      offload?.flows.release(place)
    }
  }
}

extension ConnectionState {
  /// Whether the next packet changes nothing, unless it is a SYN, FIN or RST.
  fileprivate var needsNoDecision: Bool { self == .established || self == .udp }
}
