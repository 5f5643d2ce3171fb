import Glibc
import LVS
import Serial
import Synchronization

/// The plane's hold on its interface: what the interface is, how the workers are connected to it, which frames the
/// kernel hands over, and what it keeps from the host's own stack.
///
/// All of that is calls into the kernel, some of which wait.
@Waiting final class LinkKeeper {
  /// What others may ask for at any time.
  private struct Known {
    var interface: Interface
    /// Why the workers are not connected to the interface, which is there.
    var disconnection: String?
  }

  let options: DirectorOptions
  private let workers: any WorkerGroup
  private let guardian: HostGuard?
  let digest: EventDigest
  private let known: Mutex<Known>
  private var watch: InterfaceWatch
  /// Set while the workers have to be connected anew: whether it is to another interface than before.
  private var unattached: Bool?
  /// What the kernel was told last.
  private var opened: OwnedVIPs?
  private var isWide = false

  nonisolated init(
    _ options: DirectorOptions, _ interface: Interface, _ workers: any WorkerGroup, _ guardian: HostGuard?,
    _ digest: EventDigest
  ) {
    (self.options, self.workers, self.guardian, self.digest) = (options, workers, guardian, digest)
    watch = InterfaceWatch(interface)
    known = Mutex(Known(interface: interface))
  }

  nonisolated var interface: Interface { known.withLock { $0.interface } }
  nonisolated var disconnection: String? { known.withLock { $0.disconnection } }
  nonisolated var link: Link { options.link(on: interface) }

  /// The addresses that the host has.
  func ownAddresses() throws(PlaneError) -> OwnAddresses { try OwnAddresses() }

  // MARK: Frames

  /// Has the kernel hand over frames for these VIPs, and keep them from the host's stack.
  ///
  /// - Throws: where it will not; what it did before it does still.
  func open(_ vips: [IPAddress: UInt16]) throws(PlaneError) {
    let owned = OwnedVIPs(vips: vips, station: interface.mac, link: link)
    do throws(PlaneError) {
      try tell(owned)
    } catch {
      // What fitted before fits again; where it does not, there is nothing left that could be tried.
      if let opened { try? tell(opened) }
      throw error
    }
    opened = owned
  }

  /// The same for fewer VIPs than before: where that fails, the kernel does more than it need, and nobody suffers.
  func narrow(_ vips: [IPAddress: UInt16]) {
    do throws(PlaneError) {
      try open(vips)
    } catch {
      digest.report(.warning("VIPs that are gone are still received and guarded: \(error)"))
    }
  }

  private func tell(_ owned: OwnedVIPs) throws(PlaneError) {
    let reach: FilterReach
    do throws(SystemError) {
      reach = try workers.filter(owned)
    } catch {
      let room = error.code == ENOMEM ? ": net.core.optmem_max is too little" : ""
      throw .unavailable("the kernel takes no filter for \(owned.vips.count) VIPs (\(error))\(room)")
    }
    if case .wide(let reason) = reach, !isWide { digest.report(.warning(reason)) }
    isWide = reach != .exact
    try guardian?.protect(Set(owned.vips.keys))
  }

  /// Looks again whether the interface can transmit what an XDP program sends.
  func lookAtFlows() { workers.lookAtFlows() }

  // MARK: The interface

  /// Looks at the interface; what became of it since the last time, and whether the plane has to go on with that.
  func look() -> (changes: [InterfaceWatch.Change], isThere: Bool, isPending: Bool) {
    let now: Interface?
    do throws(SystemError) {
      now = try Interface.find(options.interface)
    } catch {
      // Not to be taken for its absence, or for its being without addresses.
      digest.report(.warning("interface \(options.interface) cannot be looked at: \(error)"))
      return ([], false, false)
    }
    let changes = watch.look(now)
    for change in changes {
      if let event = change.event(options.interface, now) { digest.report(event) }
    }
    if let now { known.withLock { $0.interface = now } }
    return (changes, now != nil, unattached != nil || changes.contains(where: \.concernsLink))
  }

  /// Goes on with what the interface is now, and with these VIPs there.
  ///
  /// - Parameter rebind: connects the thread that speaks ARP with another interface.
  /// - Throws: what hinders it, which is known from then on; it is tried again with the next look.
  func follow(
    _ changes: [InterfaceWatch.Change], _ vips: [IPAddress: UInt16],
    rebind: @Sendable (Interface) throws(SystemError) -> Void
  ) async throws(PlaneError) {
    let interface = interface
    let isNew = unattached == true || changes.contains(.renewed)
    let isReshaped = unattached != nil || options.xdp != nil && (changes.contains(.mtu) || changes.contains(.queues))
    do throws(PlaneError) {
      if isNew { try available { () throws(SystemError) in try rebind(interface) } }
      if isNew || isReshaped { try await workers.rebind(interface, isolation: Waiting.shared) }
      if isNew { try guardian?.renew(interface: interface.name) }
      try open(vips)
      unattached = nil
      known.withLock { $0.disconnection = nil }
    } catch {
      unattached = isNew || isReshaped ? isNew : nil
      known.withLock { $0.disconnection = unattached == nil ? nil : "\(error)" }
      throw error
    }
  }

  /// Has what goes on alone when the process dies go on for a whole lease from now. To be called every second.
  func extendLease() {
    workers.extendLease()
    do throws(PlaneError) {
      try guardian?.extend()
    } catch {
      // While the workers wait for the interface to come back, so does the guard.
      if unattached == nil { digest.report(.warning("the host's own stack sees the VIPs' frames: \(error)")) }
    }
  }

  /// Keeps nothing from the host's stack any more.
  ///
  /// - Parameter isSucceeded: whether another process will go on; the guard stays for that one.
  func stop(isSucceeded: Bool) { guardian?.end(isLeft: isSucceeded) }
}

extension InterfaceWatch.Change {
  /// Whether the data plane has to know.
  var concernsLink: Bool {
    switch self {
    case .renewed, .station, .addresses, .mtu, .queues: true
    case .gone, .down, .up, .port: false
    }
  }

  /// Whether frames go out that did not, or the other way round.
  var concernsCarrier: Bool {
    switch self {
    case .up, .down: true
    case .gone, .renewed, .station, .addresses, .mtu, .queues, .port: false
    }
  }

  /// Whether the VIPs may be where they are not expected.
  var concernsSwitches: Bool {
    switch self {
    case .gone, .renewed, .station, .up, .port: true
    case .addresses, .mtu, .queues, .down: false
    }
  }

  fileprivate func event(_ name: String, _ now: Interface?) -> DirectorEvent? {
    switch self {
    case .gone: .interfaceGone(name)
    case .renewed: now.map { .interfaceChanged(name, $0.mac) }
    case .station(let mac): .interfaceChanged(name, mac)
    case .down: .interfaceDown(name)
    case .up: .interfaceUp(name)
    case .addresses, .mtu, .queues, .port: nil
    }
  }
}
