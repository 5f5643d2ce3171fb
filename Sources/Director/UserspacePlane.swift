import CLinux
import LVS
import Synchronization

/// The director's own data plane: forwards in user space on one interface, through packet sockets.
public final class UserspacePlane: ForwardingPlane {
  /// How the plane is set up.
  public struct Options: Sendable {
    public var interface: String
    /// The address that asks for real servers; nil for the interface's own.
    public var address: IPAddress?
    /// The 802.1Q VLAN that the director works on; nil for untagged frames.
    public var vlan: UInt16?
    public var workers = 1
    /// Through AF_XDP; nil for packet sockets.
    public var xdp: XDPMode?
    /// Whether established flows are forwarded by the XDP program itself, where the interface can.
    public var offloadsFlows = true
    /// Connections of each worker at most.
    public var connections = 1 << 20
    /// Probes for another owner before a VIP is taken, and milliseconds between two.
    public var probeCount = 3
    public var probeInterval = 200
    /// Announcements of a VIP just taken, milliseconds between two, and seconds between those that refresh.
    public var announceCount = 3
    public var announceInterval = 1_000
    public var announceRefresh = 60
    /// Whether a VIP is given up to a host that claims it again after it was defended.
    public var yieldsConflicts = false
    /// The VIPs' own station; nil for the interface's.
    public var virtualMAC: MACAddress?
    /// Other directors, by station and by address: a VIP that one of them announces is theirs.
    public var peerStations: Set<MACAddress> = []
    public var peerAddresses: Set<IPAddress> = []
    /// Seconds between two looks for what breaks direct routing; 0: only when asked.
    public var checkInterval = 60
    /// Whether packets for a VIP that nothing wants are answered with resets and errors.
    public var unclaimedReject = true
    /// Whether the host's own stack is kept from seeing the VIPs' frames.
    public var hostGuard = true

    public init(interface: String) {
      self.interface = interface
    }

    var timing: VIPTiming {
      VIPTiming(
        probeCount: probeCount, probeInterval: UInt64(probeInterval), announceCount: announceCount,
        announceInterval: UInt64(announceInterval), announceRefresh: UInt64(announceRefresh) * 1_000,
        yields: yieldsConflicts)
    }

    var peers: Neighborhood.Peers { Neighborhood.Peers(stations: peerStations, addresses: peerAddresses) }
  }

  let options: Options
  let shared: SharedTables
  let services: Mutex<Services>
  private let link: Mutex<Link>
  let watch: Mutex<InterfaceWatch>
  /// Set while the workers cannot be connected to the interface, which is there: whether it is another one than before.
  let unattached = Mutex<Bool?>(nil)
  private let guardian: HostGuard?
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
  private let upkeep: Mutex<[Task<Void, Never>]>

  /// Opens the sockets and starts the threads. No VIP is owned yet.
  ///
  /// - Throws: where there is no such interface, or the process may not open packet sockets (CAP_NET_RAW).
  public init(_ options: Options, events: @escaping @Sendable (DirectorEvent) -> Void) throws(PlaneError) {
    self.options = options
    let digest = EventDigest(events)
    self.digest = digest
    let interface = try Interface.read(options.interface)
    try Self.requireCapabilities(options)
    watch = Mutex(InterfaceWatch(interface))
    let link = Link(
      mac: options.virtualMAC ?? interface.mac, mtu: interface.mtu, rejectsUnclaimed: options.unclaimedReject,
      leavesChecksums: options.xdp != nil)
    self.link = Mutex(link)
    guardian = options.hostGuard ? try HostGuard(interface: options.interface, vlan: options.vlan) : nil
    let seed = UInt64.random(in: .min ... .max)
    do throws(SystemError) {
      shared = try SharedTables(seed: seed)
      shared.persistence.startClock(Clock.ticks)
      let first = Snapshot(generation: 0, vips: [], services: [], rules: [], settings: Settings(), link: link)
      var mailboxes: [WorkerMailbox] = []
      for _ in 0..<options.workers { mailboxes.append(try WorkerMailbox(first)) }
      self.mailboxes = mailboxes
      resolved = ResolvedServers(shared.servers)
      neighborhoodCounters = try Counters()
      neighborhood = try NeighborhoodWorker(
        Neighborhood(
          mac: interface.mac, virtual: options.virtualMAC, addresses: interface.addresses, fixedSender: options.address,
          timing: options.timing, peers: options.peers),
        interface: interface.index, vlan: options.vlan, counters: neighborhoodCounters,
        happened: Self.listener(resolved, claims, mailboxes, digest))
    } catch {
      throw .unavailable(error.description)
    }
    services = Mutex(Services(shared: shared, counters: mailboxes.map(\.counters), seed: seed))
    for peer in options.peerAddresses { neighborhood.resolve(peer, fixed: nil) }
    let (shared, neighborhood) = (shared, neighborhood)
    workerGroup = try Self.startWorkers(
      WorkerContext(
        options: options, mailboxes: mailboxes, shared: shared, tap: tap, seed: seed,
        want: { neighborhood.want(shared.servers[$0].endpoint.address) },
        told: { digest.report(.attached($0), now: Clock.milliseconds) }),
      interface)
    upkeep = Mutex([])
    upkeep.withLock { tasks in
      tasks = [
        Task { [weak self] in await Self.upkeep { self } }, Task { [weak self] in await Self.watch { self } },
        Task { [weak self] in await Self.check { self } },
      ]
    }
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

  /// Asked for ahead, since the library behind the host guard has words of its own for it.
  private static func requireCapabilities(_ options: Options) throws(PlaneError) {
    var needed = [("CAP_NET_RAW", CAP_NET_RAW)]
    if options.hostGuard || options.xdp != nil { needed.append(("CAP_NET_ADMIN", CAP_NET_ADMIN)) }
    if options.xdp != nil { needed.append(("CAP_BPF", CAP_BPF)) }
    let missing = needed.filter { cl_has_capability($0.1) == 0 }.map(\.0)
    guard missing.isEmpty else {
      throw .unavailable("lbd lacks \(missing.joined(separator: " and ")): run it as root, or see systemd/lbd.service")
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

  // MARK: Changes

  public func apply(_ changes: [Change]) async throws(PlaneError) {
    try await apply(changes, waits: false)
  }

  public func reconcile(_ changes: [Change]) async throws(PlaneError) {
    try await apply(changes, waits: true)
  }

  /// All of them are in force at the same moment.
  public func attempt(_ changes: [Change]) async -> [PlaneError?] {
    await gate.enter()
    let outcomes = await probe(for: changes, waits: false)
    let host = Self.hostAddresses
    var refusals = services.withLock { services in
      changes.map { change -> PlaneError? in
        do throws(PlaneError) {
          try carryOut(change, outcomes, host, services)
          return nil
        } catch { return error }
      }
    }
    do throws(PlaneError) { try await commit() } catch { refusals = refusals.map { $0 ?? error } }
    await gate.leave()
    return refusals
  }

  /// `waits`: a VIP that another host has is not refused, but taken when that has let go of it.
  private func apply(_ changes: [Change], waits: Bool) async throws(PlaneError) {
    await gate.enter()
    let outcomes = await probe(for: changes, waits: waits)
    let host = Self.hostAddresses
    var failure: PlaneError?
    services.withLock { services in
      do throws(PlaneError) {
        for change in changes { try carryOut(change, outcomes, host, services) }
      } catch { failure = error }
    }
    do throws(PlaneError) { try await commit() } catch { failure = failure ?? error }
    await gate.leave()
    if let failure { throw failure }
  }

  private static var hostAddresses: Set<IPAddress> { Set(InterfaceAddresses.all().map(\.address.address)) }

  /// - Parameters:
  ///   - outcomes: which new VIPs cannot be had, and why.
  ///   - host: the addresses of this host.
  private func carryOut(
    _ change: Change, _ outcomes: [IPAddress: PlaneError], _ host: Set<IPAddress>, _ services: Services
  ) throws(PlaneError) {
    switch change {
    case .addService(let service, _):
      guard !services.contains(service.key) else { throw .serviceExists(service.key) }
      for vip in service.key.addresses(by: services.rules) { if let refusal = outcomes[vip] { throw refusal } }
    case .addServer(let server, _), .updateServer(let server, _):
      guard !host.contains(server.endpoint.address) else {
        throw .invalid("\(server.endpoint.address) is this director's own address: a real server is another host")
      }
      guard !owned.withLock({ $0.contains(server.endpoint.address) }) else {
        throw .invalid("\(server.endpoint.address) is a VIP: name the real server by an address of its own")
      }
    default: break
    }
    try services.apply(change, now: Clock.ticks)
  }

  /// Puts the services as they are now in force: the kernel's filters, the workers, the neighbourhood.
  func commit() async throws(PlaneError) {
    let link = link.withLock { $0 }
    let (snapshot, vips, servers) = services.withLock { services in
      (services.snapshot(link: link), services.vips, services.serversByAddress)
    }
    let before = owned.withLock { $0 }
    workerGroup.suspendFlows()
    defer { workerGroup.resumeFlows() }
    let numbers = Dictionary(uniqueKeysWithValues: snapshot.vips)
    var known = OwnedVIPs(vips: [:], station: watch.withLock { $0.interface.mac }, link: link)
    for vip in before.union(vips) { known.vips.updateValue(numbers[vip], forKey: vip) }
    try? workerGroup.filter(known)
    try guardian?.protect(before.union(vips))
    resolve(servers)
    for vip in before.subtracting(vips) { neighborhood.remove(vip) }
    await withTaskGroup(of: Void.self) { group in
      for mailbox in mailboxes {
        group.addTask {
          await withCheckedContinuation { continuation in mailbox.post(snapshot) { continuation.resume() } }
        }
      }
    }
    for vip in vips.subtracting(before) { claim(vip) }
    for vip in before.subtracting(vips) { digest.report(.vipReleased(vip), now: Clock.milliseconds) }
    owned.withLock { $0 = vips }
    known.vips = known.vips.filter { vips.contains($0.key) }
    try? workerGroup.filter(known)
    try guardian?.protect(vips)
  }

  /// Has the workers take over settings that changed by themselves.
  private func recommit() async {
    await gate.enter()
    try? await commit()
    await gate.leave()
  }

  /// The VIPs of all services: those that are ours, and those that are to be.
  let owned = Mutex<Set<IPAddress>>([])
  private let resolving = Mutex<Set<IPAddress>>([])

  /// Has the neighbourhood find the servers that are new and forget those that are gone.
  private func resolve(_ servers: [IPAddress: [UInt32]]) {
    resolved.replace(servers)
    for (address, numbers) in servers {
      let fixed = numbers.map { shared.servers[$0].fixedMAC }
      neighborhood.resolve(address, fixed: fixed.contains(nil) ? nil : fixed.first ?? nil)
    }
    let gone = resolving.withLock { before in
      defer { before = Set(servers.keys) }
      return before.subtracting(servers.keys)
    }
    for address in gone.subtracting(options.peerAddresses) { neighborhood.forget(address) }
  }

  // MARK: The interface

  /// Goes on with what the interface is now: of another address, or another one altogether.
  ///
  /// - Parameters:
  ///   - isNew: it is another one, to which nothing is bound yet.
  ///   - isReshaped: the workers' ports do not fit it any more.
  func adopt(_ interface: Interface, isNew: Bool, isReshaped: Bool) async throws(PlaneError) {
    link.withLock { link in
      link.mac = options.virtualMAC ?? interface.mac
      link.mtu = interface.mtu
    }
    neighborhood.adopt(interface)
    if isNew {
      do throws(SystemError) {
        try neighborhood.rebind(interface, vlan: options.vlan, virtual: options.virtualMAC)
      } catch { throw .unavailable(error.description) }
    }
    if isNew || isReshaped { try workerGroup.rebind(interface) }
    if isNew {
      try guardian?.renew(interface: interface.name)
    }
    try await commit()
  }

  // MARK: Upkeep

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
