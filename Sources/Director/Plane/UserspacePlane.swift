import LVS
import Synchronization

/// The director's own data plane: forwards in user space on one interface, through packet sockets or AF_XDP.
public final class UserspacePlane: ForwardingPlane {
  let options: Options
  let shared: SharedTables
  let services: Mutex<Services>
  let link: Mutex<Link>
  let watch: Mutex<InterfaceWatch>
  /// Set while the workers cannot be connected to the interface, which is there: why, and whether it is another one than
  /// before.
  let unattached = Mutex<(isNew: Bool, reason: String)?>(nil)
  let guardian: HostGuard?
  let resolved: ResolvedServers
  let claims = VIPClaims()
  let neighborhood: NeighborhoodWorker
  let neighborhoodCounters: Counters
  let mailboxes: [WorkerMailbox]
  let workerGroup: any WorkerGroup
  let tap = Tap()
  let gate = Gate()
  let digest: EventDigest
  let findings = Findings()
  let examining = Gate()
  /// The VIPs of all services: those that are ours, and those that are to be.
  let owned = Mutex<Set<IPAddress>>([])
  /// The servers that the neighbourhood looks for.
  let resolving = Mutex<Set<IPAddress>>([])
  private let upkeep = Mutex<[Task<Void, Never>]>([])

  /// Opens the sockets and starts the threads. No VIP is owned yet.
  ///
  /// - Throws: where there is no such interface, or the process may not open packet sockets (CAP_NET_RAW).
  public init(_ options: Options, events: @escaping @Sendable (DirectorEvent) -> Void) throws(PlaneError) {
    let interface = try Interface.read(options.interface)
    try options.requireCapabilities()
    let (link, digest, seed) = (options.link(on: interface), EventDigest(events), UInt64.random(in: .min ... .max))
    (self.options, self.digest) = (options, digest)
    self.link = Mutex(link)
    watch = Mutex(InterfaceWatch(interface))
    guardian = options.hostGuard ? try HostGuard(interface: options.interface, vlan: options.vlan) : nil
    do throws(SystemError) {
      shared = try SharedTables(seed: seed)
      mailboxes = try Self.mailboxes(options.workers, link)
      resolved = ResolvedServers(shared.servers)
      neighborhoodCounters = try Counters()
      let (resolved, workers) = (resolved, mailboxes.map(\.counters))
      neighborhood = try NeighborhoodWorker(
        options.neighborhood(on: interface, NeighborTable { resolved.packets(to: $0, workers) }),
        interface: interface.index, vlan: options.vlan, counters: neighborhoodCounters,
        happened: Self.listener(resolved, claims, mailboxes, digest))
    } catch { throw .unavailable(error.description) }
    shared.persistence.startClock(Clock.ticks)
    services = Mutex(Services(shared: shared, counters: mailboxes.map(\.counters), seed: seed))
    let (shared, neighborhood) = (shared, neighborhood)
    workerGroup = try Self.startWorkers(
      WorkerContext(
        options: options, mailboxes: mailboxes, shared: shared, tap: tap, seed: seed,
        want: { neighborhood.want(shared.servers[$0].endpoint.address) },
        told: { digest.report(.attached($0), now: Clock.milliseconds) }),
      interface)
    if !interface.isUp { neighborhood.link(isUp: false) }
    for peer in options.peerAddresses { neighborhood.resolve(peer, fixed: nil) }
    startUpkeep()
  }

  private func startUpkeep() {
    let tasks = [
      Task { [weak self] in await Self.upkeep { self } }, Task { [weak self] in await Self.watch { self } },
      Task { [weak self] in await Self.check { self } },
    ]
    upkeep.withLock { $0 = tasks }
  }

  private static func mailboxes(_ count: Int, _ link: Link) throws(SystemError) -> [WorkerMailbox] {
    let nothing = Snapshot(generation: 0, vips: [], services: [], rules: [], settings: Settings(), link: link)
    var mailboxes: [WorkerMailbox] = []
    for _ in 0..<count { mailboxes.append(try WorkerMailbox(nothing)) }
    return mailboxes
  }

  private static func startWorkers(_ context: WorkerContext, _ interface: Interface) throws(PlaneError)
    -> any WorkerGroup
  {
    let (options, bells) = (context.options, context.mailboxes.map(\.bell))
    guard let mode = options.xdp else {
      return try WorkerThreads(context, interface) { interface throws(PlaneError) in
        try .packetRings(interface, options)
      }
    }
    return try WorkerThreads(context, interface) { interface throws(PlaneError) in
      try .sockets(interface, mode, options, bells: bells)
    }
  }

  /// What is done with what the neighbourhood's thread hears.
  private static func listener(
    _ resolved: ResolvedServers, _ claims: VIPClaims, _ mailboxes: [WorkerMailbox], _ digest: EventDigest
  ) -> @Sendable (Neighborhood.Happening) -> Void {
    { happening in
      let now = Clock.milliseconds
      switch happening {
      case .vip(.free(let vip)): claims.settle(vip, otherOwner: nil)
      case .vip(.taken(let vip)): digest.report(.vipTaken(vip), now: now)
      case .vip(.contested(let vip, let mac)):
        claims.settle(vip, otherOwner: mac)
        digest.report(.vipContested(vip, by: mac, server: resolved.address(at: mac)), now: now)
      case .vip(.yielded(let vip, let mac)): digest.report(.vipYielded(vip, to: mac), now: now)
      case .vip(.released(let vip)): digest.report(.vipReleased(vip), now: now)
      case .neighbor(.resolved(let address, let mac)):
        resolved.found(address, at: mac)
        digest.report(.serverResolved(address, mac), now: now)
      case .neighbor(.moved(let address, let old, let new)):
        resolved.found(address, at: new)
        digest.report(.serverMoved(address, from: old, to: new), now: now)
      case .neighbor(.lost(let address)):
        resolved.lost(address)
        digest.report(.serverLost(address), now: now)
      }
      if case .neighbor = happening { for mailbox in mailboxes { mailbox.serversMoved() } }
    }
  }

  /// Ends all threads and gives the VIPs up. Nothing stays behind.
  public func stop() async {
    await gate.enter()
    workerGroup.suspendFlows()
    upkeep.withLock { tasks in for task in tasks { task.cancel() } }
    neighborhood.stop()
    workerGroup.stop(mailboxes)
    try? guardian?.protect([])
    await gate.leave()
  }

  /// Once a second until the plane is gone: templates end, rates move on, what was removed is forgotten.
  private static func upkeep(_ plane: () -> UserspacePlane?) async {
    var second = 0
    var starvation = StarvationWatch()
    while (try? await Task.sleep(for: .seconds(1))) != nil, let plane = plane() {
      second += 1
      plane.digest.tick(Clock.milliseconds)
      plane.shared.persistence.expire(Clock.ticks)
      plane.workerGroup.lookAtFlows()
      if second % 2 == 0 { await plane.settle() }
      let isChanged = plane.services.withLock { services in
        if second % 2 == 0 { services.estimate() }
        if second % 60 == 0 { services.collect(Clock.ticks) }
        return services.settings.defend(freePages: Memory.freePages)
      }
      if isChanged { await plane.recommit() }
      for line in starvation.look(plane.mailboxes.map { ($0.counters.runsOn, $0.counters.ringDrops.now) }) {
        plane.digest.report(.warning(line), now: Clock.milliseconds)
      }
    }
  }
}
