import Director
import KernelIPVS
import LVS

/// The kernel's IPVS as lbd's plane. The kernel forwards; this keeps its table as lbd was told, with the VIPs on the
/// interface and announced, and tells what others do to the table.
///
/// Of the kernel's services only those are lbd's that it was told of; it leaves the others alone.
actor KernelDirector: StoppablePlane {
  /// Seconds between two looks at what others did.
  private static let interval = 2

  private let kernel: KernelPlane
  private let announcer: VIPAnnouncer
  private let addresses: HostAddresses
  private let events: @Sendable (DirectorEvent) -> Void
  /// What lbd was told, without what the kernel does not keep.
  private var desired: [ServiceKey: ServiceDefinition] = [:]
  /// The VIPs that are announced, and those of them whose addresses are lbd's to take away.
  private var announced: Set<IPAddress> = []
  private var placed: Set<IPAddress> = []
  private var others: Set<ServiceKey> = []
  /// Whether the kernel's IPVS answered when it was last looked at.
  private var isAnswered = true
  /// A look at the table waits while it is being changed.
  private var isChanging = false
  private var watch: Task<Void, Never>?

  /// - Parameter claimed: services that are lbd's if they are in the kernel already, from an earlier run.
  init(
    _ options: UserspacePlane.Options, claimed: [ServiceKey], events: @escaping @Sendable (DirectorEvent) -> Void
  ) async throws(PlaneError) {
    do throws(KernelError) { kernel = try KernelPlane() } catch { throw PlaneError(error, about: nil) }
    addresses = try HostAddresses(interface: options.interface)
    announcer = try VIPAnnouncer(options, events: events)
    self.events = events
    for definition in try await kernel.status().map(\.definition) {
      if claimed.contains(definition.service.key) {
        desired[definition.service.key] = definition
      } else {
        others.insert(definition.service.key)
      }
    }
    try placeVIPs()
    watch = Task { [weak self] in
      while (try? await Task.sleep(for: .seconds(Self.interval))) != nil { await self?.look() }
    }
  }

  /// Takes lbd's services out of the kernel and its VIPs off the interface.
  func stop() async {
    watch?.cancel()
    isChanging = true
    for key in desired.keys { try? await kernel.apply([.removeService(key)]) }
    desired = [:]
    try? placeVIPs()
    announcer.stop()
  }

  func turn() async { _ = await announcer.listing() }

  // MARK: Changes

  func apply(_ changes: [Change]) async throws(PlaneError) {
    isChanging = true
    defer { isChanging = false }
    try await probe(for: changes)
    for change in changes {
      let step = try await step(for: change)
      try await kernel.apply([step])
      try await remember(step)
    }
    try placeVIPs()
  }

  /// Another's service is not changed, unless it is taken over by force.
  private func step(for change: Change) async throws(PlaneError) -> Change {
    let isOurs = desired[change.service] != nil
    if case .addService(let service, true) = change, !isOurs, others.contains(service.key) {
      return .updateService(service)
    }
    if case .addService = change { return change }
    guard isOurs else { throw .noSuchService(change.service) }
    return change
  }

  private func remember(_ change: Change) async throws(PlaneError) {
    let key = change.service
    switch change {
    case .removeService: desired[key] = nil
    case .updateService where desired[key] == nil:
      // Taken over with the servers that it has.
      desired[key] = try await kernel.status().first { $0.service.key == key }?.definition
      others.remove(key)
    default: desired[key, default: ServiceDefinition(VirtualService(key))].take(change)
    }
  }

  /// Asks for another owner of each new VIP that the host does not have yet.
  private func probe(for changes: [Change]) async throws(PlaneError) {
    let host = try VIPAnnouncer.hostAddresses()
    for case .addService(let service, false) in changes {
      guard let vip = service.key.address, host[vip] == nil, !announced.contains(vip) else { continue }
      if let owner = await announcer.otherOwner(of: vip) { throw .vipContested(vip, owner) }
    }
  }

  /// Sets and announces the VIPs of lbd's services, and gives up those that no service has any more.
  private func placeVIPs() throws(PlaneError) {
    let wanted = Set(desired.keys.compactMap(\.address))
    let host = try VIPAnnouncer.hostAddresses()
    for vip in wanted.subtracting(announced) {
      if host[vip] == nil { try addresses.add(vip) }
      if host[vip] == nil || host[vip] == addresses.label { placed.insert(vip) }
      announcer.take(vip)
      announced.insert(vip)
      events(.vipTaken(vip))
    }
    for vip in announced.subtracting(wanted) {
      announcer.release(vip)
      announced.remove(vip)
      if placed.remove(vip) != nil { try addresses.remove(vip) }
      events(.vipReleased(vip))
    }
  }

  // MARK: What others do

  /// Compares the kernel's table with what lbd was told, tells of differences and puts its own services right.
  private func look() async {
    guard !isChanging, let now = await table(), !isChanging else { return }
    let present = Set(now.map(\.service.key)).subtracting(desired.keys)
    for key in present.subtracting(others).sorted() {
      events(.warning("service \(key) was added to the kernel by another program: lbd leaves it alone"))
    }
    for key in others.subtracting(present).sorted() {
      events(.warning("service \(key), another program's, is gone from the kernel"))
    }
    others = present
    let steps = changes(from: now.filter { desired[$0.service.key] != nil }, to: Array(desired.values))
    if !steps.isEmpty { await putRight(steps) }
    await putAddressesRight()
  }

  /// The kernel's table; nil where it cannot be had, which is told once.
  private func table() async -> [ServiceDefinition]? {
    do throws(PlaneError) {
      let table = try await kernel.status().map(\.definition)
      isAnswered = true
      return table
    } catch {
      if isAnswered { events(.warning("nothing is forwarded any more: \(error)")) }
      isAnswered = false
      return nil
    }
  }

  private func putRight(_ steps: [Change]) async {
    for key in Set(steps.map(\.service)).sorted() {
      events(.warning("service \(key) was changed in the kernel by another program: lbd puts it right"))
    }
    do throws(PlaneError) {
      try await kernel.apply(steps)
    } catch {
      events(.warning("the kernel's table cannot be put right: \(error)"))
    }
  }

  private func putAddressesRight() async {
    do throws(PlaneError) {
      let host = try VIPAnnouncer.hostAddresses()
      for vip in placed where host[vip] == nil {
        events(.warning("\(vip) was taken off the interface by another program: lbd puts it back"))
        try addresses.add(vip)
      }
    } catch {
      events(.warning("the VIPs' addresses cannot be put right: \(error)"))
    }
  }

  // MARK: Answers

  /// What others changed is put right before, so that the next command finds what lbd was told.
  func status() async throws(PlaneError) -> [ServiceStatus] {
    await look()
    return try await kernel.status().filter { desired[$0.service.key] != nil }
  }

  func connections(
    _ filter: ConnectionFilter, _ body: @Sendable ([ConnectionStatus]) async -> Bool
  ) async throws(PlaneError) {
    try await kernel.connections(filter, body)
  }

  /// The kernel's, so of all its services.
  func total() async throws(PlaneError) -> Traffic { try await kernel.total() }
  func timeouts() async throws(PlaneError) -> Timeouts { try await kernel.timeouts() }
  func setTimeouts(_ timeouts: Timeouts) async throws(PlaneError) { try await kernel.setTimeouts(timeouts) }
  func zero(_ service: ServiceKey?) async throws(PlaneError) {
    guard service == nil else { return try await kernel.zero(service) }
    for key in desired.keys { try await kernel.zero(key) }
  }
}

extension ServiceDefinition {
  /// Becomes what the change makes of it, without what a kernel does not keep.
  fileprivate mutating func take(_ change: Change) {
    switch change {
    case .addService(let service, _), .updateService(let service): self.service = service
    case .removeService: break
    case .addServer(var server, _), .updateServer(var server, _):
      server.drainedWeight = nil
      if let place = servers.firstIndex(where: { $0.endpoint == server.endpoint }) {
        servers[place] = server
      } else {
        servers.append(server)
      }
    case .removeServer(let endpoint, _): servers.removeAll { $0.endpoint == endpoint }
    }
  }
}
