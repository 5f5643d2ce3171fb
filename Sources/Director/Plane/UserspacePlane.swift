import LVS
import Serial
import Synchronization

/// The director's own data plane: forwards in user space on one interface, through packet sockets or AF_XDP.
public final class UserspacePlane: ForwardingPlane {
  let options: DirectorOptions
  let digest: EventDigest
  let services: Mutex<Services>
  let resolved: ResolvedServers
  let vips: VIPOwnership
  /// What the thread counts that speaks ARP.
  let neighborCounters: Counters
  public let workers: WorkerPool
  let sync: SyncDaemons
  let link: LinkKeeper
  let findings = Findings()
  /// Two looks for trouble at a time would hear each other's answers.
  let examinations = Turnstile()
  /// Whoever changes what is in force.
  let turns = Turnstile()
  /// What outlives the process; nil where nothing does.
  let state: KeptState?
  private let upkeep = Mutex<[Task<Void, Never>]>([])

  /// Opens the sockets and starts the threads. No VIP is owned yet.
  ///
  /// - Parameters:
  ///   - directory: where what outlives the process is kept, and what an earlier one left is found.
  ///   - configuration: what was in force when that one ended; `resume` has to follow.
  /// - Throws: where there is no such interface, or the process may not open packet sockets (CAP_NET_RAW).
  public init(
    _ options: DirectorOptions, keptIn directory: StateDirectory? = nil, resuming configuration: DesiredState? = nil,
    events: @escaping @Sendable (DirectorEvent) -> Void
  ) throws(PlaneError) {
    let interface = try Interface.read(options.interface)
    try options.requireCapabilities()
    let digest = EventDigest(events)
    let state = try available { () throws(SystemError) in
      try directory.map { directory throws(SystemError) in
        try KeptState(directory, workers: options.workers, connections: options.room)
      }
    }
    let seed = state?.manifest.seed ?? UInt64.random(in: .min ... .max)
    (self.options, self.digest, self.state) = (options, digest, state)
    let goesOn = configuration != nil && state?.isFound == true
    let guardian =
      options.hostGuard
      ? try HostGuard(
        interface: options.interface, vlan: options.vlan, lease: options.orphanLease, goesOn: goesOn) : nil
    let (shared, mailboxes): (SharedTables, [WorkerMailbox])
    var tables: [Parcel<ConnectionTable>] = []
    do throws(SystemError) {
      shared = try SharedTables(
        connections: options.room, workers: options.workers, templates: options.templates ?? options.room, seed: seed,
        in: directory)
      mailboxes = try WorkerPool.mailboxes(options.workers, in: state)
      tables = try WorkerPool.tables(options, seed: seed, in: state)
      resolved = ResolvedServers(shared.servers)
      neighborCounters = try Counters()
      let (resolved, counters) = (resolved, mailboxes.map(\.counters))
      vips = try VIPOwnership(
        options.neighborhood(on: interface, NeighborTable { resolved.packets(to: $0, counters) }), interface: interface,
        vlan: options.vlan, counters: neighborCounters, standsBy: options.standsBy,
        report: { digest.report($0) }, heard: { Self.hear($0, resolved, mailboxes, digest) },
        server: { resolved.address(at: $0) })
    } catch { throw .unavailable(error.description) }
    let services = Services(shared: shared, counters: mailboxes.map(\.counters), seed: seed)
    let link = options.link(on: interface)
    if let state, state.isFound, let configuration {
      digest.report(.resumed(try state.resume(services, &tables, configuration, link: link, now: Clock.ticks)))
    } else {
      services.publish(link: link, freePages: Memory.freePages)
    }
    shared.persistence.startClock(Clock.ticks)
    self.services = Mutex(services)
    let worker = vips.worker
    workers = try WorkerPool(
      options, shared: shared, mailboxes: mailboxes, tables: tables, seed: seed, on: interface, digest,
      want: { worker.want(shared.servers[$0].endpoint.address) })
    sync = SyncDaemons(workers, key: options.syncKey, tellsAll: options.syncAll) { digest.report(.warning($0)) }
    digest.report(.sized(workers.sizes))
    self.link = LinkKeeper(options, interface, workers.group, guardian, digest)
    if !interface.isUp { worker.link(isUp: false) }
    worker.resolve(Dictionary(options.peerAddresses.map { ($0, nil) }, uniquingKeysWith: { first, _ in first }))
    startUpkeep()
  }

  /// Whether a process after this one could go on with its connections.
  public var keepsState: Bool { state != nil }

  private func startUpkeep() {
    let tasks = [
      Task { [weak self] in await Self.upkeep { self } }, Task { [weak self] in await Self.watch { self } },
      Task { [weak self] in await Self.check { self } },
    ]
    upkeep.withLock { $0 = tasks }
  }

  /// What is done with what the neighbor thread learns of real servers. On that thread.
  private static func hear(
    _ change: NeighborChange, _ resolved: ResolvedServers, _ mailboxes: [WorkerMailbox], _ digest: EventDigest
  ) {
    switch change {
    case .resolved(let address, let mac):
      resolved.found(address, at: mac)
      digest.report(.serverResolved(address, mac))
    case .moved(let address, let old, let new):
      resolved.found(address, at: new)
      digest.report(.serverMoved(address, from: old, to: new))
    case .lost(let address):
      resolved.lost(address)
      digest.report(.serverLost(address))
    }
    for mailbox in mailboxes { mailbox.serversMoved() }
  }

  /// Gives the VIPs up, to another director where one waits for them, and ends all threads. Nothing stays behind but
  /// what a service manager keeps for the process after this one.
  public func stop() async {
    await turns.withTurn {
      await sync.stop()
      await vips.handOver()
      await end(isSucceeded: options.stored?.lasts ?? false)
    }
  }

  /// Ends all threads, for the process that takes over at once: the VIPs, the guard and what is stored stay as they are.
  public func leave() async {
    await turns.withTurn {
      await sync.stop()
      await end(isSucceeded: true)
    }
  }

  private func end(isSucceeded: Bool) async {
    await beat()
    if isSucceeded { workers.group.leave() } else { workers.group.suspendFlows() }
    upkeep.withLock { tasks in for task in tasks { task.cancel() } }
    vips.stop()
    workers.stop()
    await link.stop(isSucceeded: isSucceeded)
  }

  /// Once a second until the plane is gone: templates end, rates move on, what was removed is forgotten.
  private static func upkeep(_ plane: () -> UserspacePlane?) async {
    var second = 0
    var (starvation, tables) = (StarvationWatch(), TableWatch())
    while (try? await Task.sleep(for: .seconds(1))) != nil, let plane = plane() {
      second += 1
      plane.digest.tick(Clock.milliseconds)
      plane.workers.expireTemplates()
      await plane.link.lookAtFlows()
      await plane.link.extendLease()
      if second % 2 == 0 {
        await plane.workers.settle()
        plane.services.withLock { $0.estimate() }
      }
      if second % 60 == 0 { plane.services.withLock { $0.collect(Clock.ticks) } }
      await plane.beat()
      await plane.defend()
      plane.tell(plane.findings.replace(tables.look(plane.workers.tables).map { Finding($0) }, ofTables: true))
      for line in starvation.look(plane.workers.ringDrops) { plane.digest.report(.warning(line)) }
    }
  }
}
