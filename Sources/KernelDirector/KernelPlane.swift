import Director
import KernelIPVS
import LVS
import Serial

/// The kernel's IPVS as lbd's plane. The kernel forwards; this keeps its table as lbd was told, with the VIPs on the
/// interface and announced, and tells what others do to the table.
///
/// Of the kernel's services only those are lbd's that it was told of; it leaves the others alone.
public actor KernelPlane: ForwardingPlane {
  /// Between two looks at what others did.
  private static let interval = Duration.seconds(2)

  public nonisolated let capabilities: Capabilities
  private let kernel: KernelTable
  private let vips: HostVIPs
  private let events: @Sendable (DirectorEvent) -> Void
  /// What lbd was told.
  private var desired: DesiredState
  private var others: Set<ServiceKey> = []
  /// Whether the kernel's IPVS answered when it was last looked at.
  private var isAnswered = true
  /// A look at the table waits while it is being changed.
  private let turns = Turnstile()
  private var watch: Task<Void, Never>?

  /// Nothing is lbd's yet.
  ///
  /// - Throws: where the kernel has no IPVS, or this process may not steer it.
  public init(
    _ options: DirectorOptions, events: @escaping @Sendable (DirectorEvent) -> Void
  ) async throws(PlaneError) {
    do throws(KernelError) { kernel = try await KernelTable() } catch { throw PlaneError(error, about: nil) }
    vips = try await HostVIPs(options, events: events)
    self.events = events
    let found = try await kernel.found()
    capabilities = found.capabilities
    desired = DesiredState(capabilities)
    others = Set(found.serviceKeys)
    watch = Task { [weak self] in
      while (try? await Task.sleep(for: Self.interval)) != nil, let self { await self.look() }
    }
  }

  public nonisolated var facilities: Facilities {
    var facilities = Facilities()
    facilities.vips = { [vips] in await vips.listing() }
    return facilities
  }

  public func turn() async { _ = await vips.listing() }

  // MARK: Changes

  /// Asks for another owner of each new VIP that the host does not have yet. A service that another program has in the
  /// kernel is taken over by force alone, with the servers that it has; when the daemon starts, it is one of an earlier
  /// run.
  public func admit(_ claims: [Claim]) async -> Admission {
    var admission = Admission()
    var asked: Set<IPAddress> = []
    for claim in claims {
      switch claim.subject {
      case .server: break
      case .vip(let vip): if claim.manner != .force { asked.insert(vip) }
      case .service(let key):
        do throws(PlaneError) {
          guard claim.manner != .wait, let found = try await kernel.find(key) else { continue }
          guard claim.manner == .force else { throw .serviceExists(key) }
          admission.found.append(found.definition)
        } catch { admission.refusals[claim.subject] = error }
      }
    }
    do throws(PlaneError) {
      for (vip, owner) in try await vips.owners(of: asked) { admission.refusals[.vip(vip)] = .vipContested(vip, owner) }
    } catch {
      for vip in asked { admission.refusals[.vip(vip)] = error }
    }
    return admission
  }

  public func adopt(_ transition: Transition) async throws(PlaneError) {
    try await turns.withTurn { () async throws(PlaneError) in
      try await kernel.adopt(transition)
      do throws(PlaneError) {
        try await vips.place(transition.next.vips)
      } catch {
        await takeBack(transition)
        throw error
      }
      desired = transition.next
      others.subtract(desired.serviceKeys)
    }
  }

  private func takeBack(_ transition: Transition) async {
    let steps = changes(from: transition.next, to: desired)
    do throws(PlaneError) {
      try await kernel.adopt(Transition(to: desired, by: steps))
    } catch {
      events(.warning("the kernel's table keeps what was refused: \(error)"))
    }
  }

  /// Takes lbd's services out of the kernel and its VIPs off the interface.
  public func stop() async {
    watch?.cancel()
    await turns.withTurn {
      var nothing = desired
      nothing.removeServices()
      do throws(PlaneError) {
        try await kernel.adopt(Transition(to: nothing, by: changes(from: desired, to: nothing)))
        try await vips.place([])
      } catch {
        events(.warning("something of lbd's stays in the kernel: \(error)"))
      }
      desired = nothing
      await vips.stop()
    }
  }

  // MARK: What others do

  /// Compares the kernel's table with what lbd was told, tells of differences and puts its own services right.
  private func look() async {
    await turns.withTurn {
      guard let now = await table() else { return }
      let present = Set(now.map(\.service.key)).subtracting(desired.serviceKeys)
      for key in present.subtracting(others).sorted() {
        events(.warning("service \(key) was added to the kernel by another program: lbd leaves it alone"))
      }
      for key in others.subtracting(present).sorted() {
        events(.warning("service \(key), another program's, is gone from the kernel"))
      }
      others = present
      let own = now.filter { desired.service($0.service.key) != nil }
      await putRight(changes(from: own, to: desired.services.map(\.effective)))
      await vips.putRight()
    }
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
    for key in Set(steps.compactMap(\.service)).sorted() {
      events(.warning("service \(key) was changed in the kernel by another program: lbd puts it right"))
    }
    do throws(PlaneError) {
      try await kernel.carryOut(steps)
    } catch {
      events(.warning("the kernel's table cannot be put right: \(error)"))
    }
  }

  // MARK: Answers

  public func status() async throws(PlaneError) -> [ServiceStatus] { try await kernel.status() }

  public func connections(
    _ filter: ConnectionFilter, _ body: @Sendable ([ConnectionStatus]) async -> Bool
  ) async throws(PlaneError) {
    try await kernel.connections(filter, body)
  }

  /// The kernel's, so of all its services.
  public func total() async throws(PlaneError) -> Traffic { try await kernel.total() }
  public func timeouts() async throws(PlaneError) -> Timeouts { try await kernel.timeouts() }
  public func settings() async throws(PlaneError) -> [String: String] { await kernel.settings() }

  /// Of all services: lbd's own.
  public func zero(_ service: ServiceKey?) async throws(PlaneError) {
    for key in service.map({ [$0] }) ?? desired.serviceKeys { try await kernel.zero(key) }
  }
}
