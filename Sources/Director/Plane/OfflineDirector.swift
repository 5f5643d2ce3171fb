import LVS

/// A director without sockets, threads or a clock: frames and their times in, frames out.
///
/// It stands where a port and a worker stand otherwise; the pipe is the same.
public final class OfflineDirector {
  private var director: Director
  private var neighborhood: Neighborhood
  private let services: Services
  private let resolved: ResolvedServers
  /// The director's own; none where it takes every frame for its own.
  private let stations: [MACAddress]
  private let vlan: UInt16?
  private var held = HoldQueue()
  private var hasStarted = false

  /// - Parameters:
  ///   - configuration: in force from the first frame on; its VIPs are owned from then on.
  ///   - stations: whose frames are the director's: that of the VIPs, and its interface's where that is another one.
  ///     Without any, it takes every frame for its own.
  ///   - vlan: the VLAN whose frames are meant; nil for untagged frames.
  public init(
    _ configuration: Configuration, stations: [MACAddress] = [], vlan: UInt16? = nil
  ) throws(PlaneError) {
    (self.stations, self.vlan) = (stations, vlan)
    let station = stations.first ?? MACAddress(0x0200_0000_0001)
    let link = Link(mac: station, mtu: 1_500)
    let seed: UInt64 = 1
    do throws(SystemError) {
      let (shared, counters) = (try SharedTables(seed: seed), try Counters())
      services = Services(shared: shared, counters: [counters], seed: seed)
      director = try Director(shared: shared, counters: counters, seed: seed)
      resolved = ResolvedServers(shared.servers)
    } catch {
      throw .unavailable(error.description)
    }
    neighborhood = Neighborhood(
      mac: stations.last ?? station, virtual: stations.count > 1 ? station : nil, addresses: [])
    let desired = try DesiredState(configuration.unwatched, .userspace)
    try services.stage(desired, by: changes(from: services.desired, to: desired), now: 0)
    services.publish(link: link, freePages: .max)
    director.keepUp()
  }

  /// How many frames got each verdict.
  public var verdicts: VerdictCounts { VerdictCounts([director.counters]) }

  /// One frame in, of which `length` bytes were on the wire; what is sent because of it.
  public func receive(_ frame: [UInt8], length: Int, at microseconds: UInt64) -> [[UInt8]] {
    let (ticks, milliseconds) = (UInt32(truncatingIfNeeded: microseconds / 10_000), microseconds / 1_000)
    if !hasStarted { start(ticks, milliseconds) }
    director.tick(ticks)
    while director.expire(budget: 1 << 16) {}
    director.shared.persistence.expire(ticks)
    for _ in 0..<director.fragments.expire(ticks) { director.counters.drop(.fragmentTimeout) }
    neighborhood.tick(milliseconds)
    var sent = released(milliseconds)
    guard let (tag, untagged) = Ethernet.untagged(frame), tag.map({ $0 & 0xfff }) == vlan else { return sent }
    guard frame.count == length else {
      director.counters.drop(.capturedShort)
      return sent
    }
    sent += process(KeptFrame(bytes: untagged, header: 0, tag: tag), milliseconds)
    for fragment in director.fragments.takeReady() { sent += process(fragment, milliseconds) }
    learn()
    return sent + released(milliseconds)
  }

  private func start(_ ticks: UInt32, _ milliseconds: UInt64) {
    hasStarted = true
    director.connections.startClock(ticks)
    director.shared.persistence.startClock(ticks)
    for vip in services.desired.vips { neighborhood.vips.take(vip, now: milliseconds) }
    let hops = services.nextHops
    _ = resolved.replace(hops)
    for address in hops.keys { neighborhood.neighbors.add(address, now: milliseconds) }
    neighborhood.tick(milliseconds)
  }

  /// The way of one untagged frame; what is sent.
  private func process(_ frame: KeptFrame, _ milliseconds: UInt64) -> [[UInt8]] {
    var frame = frame
    let verdict = frame.lend(room: 1_024) { bytes -> (Verdict, length: Int) in
      let isARP = bytes.count >= Ethernet.length && bytes.u16(Ethernet.type) == Ethernet.arp
      let isForNeighborhood = isARP || NDP.kind(of: bytes) != nil
      let verdict =
        isForNeighborhood
        ? neighborhood.receive(bytes, now: milliseconds) : isOwn(bytes) ? director.process(bytes) : .pass
      if case .answer(let length) = verdict { return (verdict, length: length) }
      return (verdict, length: bytes.count)
    }
    switch verdict {
    case .transmit:
      director.counters.forwarded.add(1)
      return [frame.wire]
    case .answer:
      director.counters.answered.add(1)
      return [frame.wire]
    case .cut(let server):
      let egress = director.servers[server].egress
      let pieces = frame.cut(mtu: egress.mtu(director.link))
      if egress.isResolved {
        for _ in pieces { director.counters.forwarded.add(1) }
        return pieces.map(\.wire)
      }
      for piece in pieces { hold(piece, server, milliseconds) }
    case .pass, .handOver: director.counters.passed.add(1)
    case .drop(let reason): director.counters.drop(reason)
    case .park:
      if !director.park(frame) { director.counters.drop(.fragmentQueueFull) }
    case .hold(let server): hold(frame, server, milliseconds)
    }
    return []
  }

  /// A capture shows what others get too, and the director's own frames on their way to the servers.
  private func isOwn(_ frame: Bytes) -> Bool {
    stations.isEmpty || frame.count >= Ethernet.length && stations.contains(frame.mac(Ethernet.destination))
  }

  private func hold(_ frame: KeptFrame, _ server: ServerNumber, _ milliseconds: UInt64) {
    if held.hold(frame, for: server, now: milliseconds) {
      director.counters.held.add(1)
    } else {
      director.counters.drop(.holdQueueFull)
    }
  }

  /// Takes over what the neighborhood learned. What it would send is left out: the capture has its own answers.
  private func learn() {
    for happening in neighborhood.drain().happened {
      switch happening {
      case .neighbor(.resolved(let address, let mac)), .neighbor(.moved(let address, _, let mac)):
        resolved.found(address, at: mac)
      case .neighbor(.lost(let address)): resolved.lost(address)
      case .vip: break
      }
    }
  }

  /// The frames that waited for a server which was found since.
  private func released(_ milliseconds: UInt64) -> [[UInt8]] {
    let (frames, given) = held.release(milliseconds, director.shared.servers)
    for _ in frames { director.counters.forwarded.add(1) }
    for _ in 0..<given { director.counters.drop(.neighborUnreachable) }
    return frames.map(\.wire)
  }
}
