import LVS
import Synchronization

/// Who has which VIP on the LAN: asks for other owners before one is taken, takes and announces it, tells of others who
/// claim it, and gives it up. It forwards nothing, and does not know what a VIP is for.
public final class VIPOwnership: Sendable {
  /// The thread that it works with, which looks for real servers too.
  let worker: NeighborhoodWorker
  private let probes: Probes
  private let report: @Sendable (DirectorEvent) -> Void
  private let state: Mutex<State>

  fileprivate struct State {
    /// Those that are ours, or are to be.
    var vips: Set<IPAddress> = []
    /// Whether VIPs that come to be needed are left to another director until they are taken over.
    var standsBy: Bool
  }

  /// - Parameters:
  ///   - standsBy: whether none is taken before that is asked for.
  ///   - report: told what happens to VIPs.
  ///   - heard: told what is learned of real servers.
  ///   - server: the real server whose station this is.
  init(
    _ neighborhood: Neighborhood, interface: Interface, vlan: UInt16?, counters: Counters, standsBy: Bool = false,
    report: @escaping @Sendable (DirectorEvent) -> Void,
    heard: @escaping @Sendable (NeighborChange) -> Void = { _ in },
    server: @escaping @Sendable (MACAddress) -> IPAddress? = { _ in nil }
  ) throws(SystemError) {
    let probes = Probes()
    (self.probes, self.report) = (probes, report)
    state = Mutex(State(standsBy: standsBy))
    worker = try NeighborhoodWorker(neighborhood, interface: interface.index, vlan: vlan, counters: counters) {
      switch $0 {
      case .neighbor(let change): heard(change)
      case .vip(.free(let vip)): probes.end(vip, owner: nil)
      case .vip(.taken(let vip)): report(.vipTaken(vip))
      case .vip(.contested(let vip, let mac, let isPeer)):
        probes.end(vip, owner: mac)
        report(isPeer ? .vipAwaited(vip, from: mac) : .vipContested(vip, by: mac, server: server(mac)))
      case .vip(.yielded(let vip, let mac)): report(.vipYielded(vip, to: mac))
      case .vip(.released(let vip)): report(.vipReleased(vip))
      }
    }
  }

  /// For VIPs that the host's own stack serves.
  ///
  /// - Throws: where there is no such interface, or the process may not open packet sockets.
  public convenience init(
    _ options: DirectorOptions, report: @escaping @Sendable (DirectorEvent) -> Void
  ) throws(PlaneError) {
    let interface = try Interface.read(options.interface)
    do throws(SystemError) {
      try self.init(
        Neighborhood(
          mac: interface.mac, addresses: interface.addresses, fixedSender: options.address, timing: options.timing),
        interface: interface, vlan: options.vlan, counters: try Counters(), report: report)
    } catch {
      throw .unavailable("\(error): lbd needs CAP_NET_RAW and CAP_NET_ADMIN (run it as root)")
    }
  }

  // MARK: Asking

  /// Those of the VIPs that other hosts answer for, with their stations; all are asked for at the same time, a few times.
  /// Who stands by asks nobody: another director is to have them.
  public func owners(of vips: Set<IPAddress>) async -> [IPAddress: MACAddress] {
    if state.withLock(\.standsBy) { return [:] }
    return await withTaskGroup(of: (IPAddress, MACAddress?).self) { group in
      for vip in vips { group.addTask { (vip, await self.owner(of: vip)) } }
      return await group.reduce(into: [:]) { owners, answer in owners[answer.0] = answer.1 }
    }
  }

  private func owner(of vip: IPAddress) async -> MACAddress? {
    let owner = await probes.outcome(of: vip) { worker.probe(vip) }
    worker.remove(vip)
    return owner
  }

  /// Whether the station is another director's that may have our VIPs.
  func isPeer(_ station: MACAddress) async -> Bool {
    await worker.inspect { neighborhood, _ in neighborhood.isPeer(station) }
  }

  /// The VIPs that there are, with their states.
  public func listing() async -> [VIPStatus] { await worker.inspect { neighborhood, _ in neighborhood.vips.listing } }

  /// Those that are ours, or are to be.
  var all: Set<IPAddress> { state.withLock(\.vips) }

  // MARK: Having

  /// Takes a VIP and announces it, now and from time to time; or waits until its present owner has let go of it. Who
  /// stands by keeps quiet about it.
  public func take(_ vip: IPAddress, after owner: MACAddress? = nil) {
    let isTaken = state.withLock { state in
      state.vips.insert(vip)
      if state.standsBy {
        worker.release(vip)
      } else if let owner {
        worker.wait(for: vip, heldBy: owner)
      } else {
        worker.take(vip)
        return true
      }
      return false
    }
    if isTaken { report(.vipTaken(vip)) }
  }

  /// Goes on with a VIP that was ours just now, when another process had it. Who has one does not stand by any more.
  func keep(_ vip: IPAddress) {
    state.withLock { state in
      state.vips.insert(vip)
      state.standsBy = false
      worker.keep(vip)
    }
    report(.vipTaken(vip))
  }

  /// Knows nothing of the VIP any more.
  public func leave(_ vip: IPAddress) {
    state.withLock { state in
      state.vips.remove(vip)
      worker.remove(vip)
    }
    report(.vipReleased(vip))
  }

  public func stop() { worker.stop() }
}

extension VIPOwnership {
  /// Milliseconds in which a director that waits for a VIP has asked for it, and those in which it then has it.
  private static let askedWithin: UInt64 = 500
  private static let takenWithin: UInt64 = 5_000

  /// Leaves the VIPs to the directors that wait for them, and answers for each until it has its next owner. Frames have
  /// to be forwarded meanwhile; on return nobody sends any more. Where no other director is known, there is none to wait
  /// for.
  func handOver() async {
    worker.leave()
    let begin = Clock.milliseconds
    guard await worker.inspect({ neighborhood, _ in neighborhood.hasPeers }) else { return }
    while !Task.isCancelled {
      let (count, wanted) = await worker.inspect { neighborhood, _ in neighborhood.vips.leaving }
      let time = Clock.milliseconds - begin
      if count == 0 || (wanted == 0 && time > Self.askedWithin) || time > Self.takenWithin { break }
      // Only a canceled task does not sleep.
      try? await Task.sleep(for: .milliseconds(20))
    }
  }
}

extension VIPOwnership: VIPTakeover {
  /// All of them are also those to come. Returns when others have had the time to object.
  public func takeOver(_ vips: [IPAddress]) async throws(PlaneError) {
    let taken = try state.withLock { state throws(PlaneError) in
      let named = try state.named(vips)
      if vips.isEmpty { state.standsBy = false }
      for vip in named { worker.take(vip) }
      return named
    }
    for vip in taken { report(.vipTaken(vip)) }
    let interval = await worker.inspect { neighborhood, _ in neighborhood.vips.timing.probeInterval }
    // Once they have heard the announcement, all are asked. Only a canceled task does not sleep.
    try? await Task.sleep(for: .milliseconds(interval))
    for vip in taken { worker.doubt(vip) }
    try? await Task.sleep(for: .milliseconds(interval))
  }

  /// What arrives for them is still forwarded. All of them are also those to come.
  public func release(_ vips: [IPAddress]) async throws(PlaneError) {
    let released = try state.withLock { state throws(PlaneError) in
      let named = try state.named(vips)
      if vips.isEmpty { state.standsBy = true }
      for vip in named { worker.release(vip) }
      return named
    }
    for vip in released { report(.vipReleased(vip)) }
  }
}

extension VIPOwnership.State {
  /// The VIPs that are meant, all of them where none is named.
  fileprivate func named(_ named: [IPAddress]) throws(PlaneError) -> [IPAddress] {
    for vip in named where !vips.contains(vip) {
      throw .invalid("no service has the VIP \(vip) (lbctl vips shows what there is)")
    }
    return named.isEmpty ? vips.sorted() : named
  }
}

/// Which VIPs are being probed for, and who waits for the outcome.
private final class Probes: Sendable {
  private let waiting = Mutex<[IPAddress: CheckedContinuation<MACAddress?, Never>]>([:])

  /// Calls `probe` and waits for what comes of it: nil where the VIP is free, else its other owner.
  func outcome(of vip: IPAddress, _ probe: () -> Void) async -> MACAddress? {
    await withCheckedContinuation { continuation in
      waiting.withLock { $0[vip] = continuation }
      probe()
    }
  }

  func end(_ vip: IPAddress, owner: MACAddress?) {
    waiting.withLock { $0.removeValue(forKey: vip) }?.resume(returning: owner)
  }
}
