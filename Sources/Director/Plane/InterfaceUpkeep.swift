import LVS

/// The interface goes down and up, gets another address, vanishes and comes back: the VIPs stay reachable.
extension UserspacePlane {
  /// Between two looks at the interface.
  private static let lookInterval = Duration.milliseconds(250)

  /// Milliseconds without a look from which on the process must have stood still: it was stopped, or its machine was.
  private static let standstill: UInt64 = 2_000

  /// Looks again and again until the plane is gone.
  static func watch(_ plane: () -> UserspacePlane?) async {
    var last = Clock.milliseconds
    while (try? await Task.sleep(for: lookInterval)) != nil, let plane = plane() {
      let now = Clock.milliseconds
      if now - last > standstill { plane.neighborhood.reappear() }
      last = now
      await plane.look()
    }
  }

  private func look() async {
    let (name, now): (String, Interface?)
    do throws(SystemError) {
      (name, now) = (options.interface, try Interface.find(options.interface))
    } catch {
      // Not to be taken for its absence, or for its being without addresses.
      let warning = DirectorEvent.warning("interface \(options.interface) cannot be looked at: \(error)")
      return digest.report(warning, now: Clock.milliseconds)
    }
    let changes = watch.withLock { $0.look(now) }
    for change in changes { if let event = change.event(name, now) { digest.report(event, now: Clock.milliseconds) } }
    guard let now else { return }
    let pending = unattached.withLock { $0 }
    guard pending != nil || !changes.isEmpty else { return }
    if pending != nil || changes.contains(where: \.concernsLink) {
      let isNew = pending?.isNew == true || changes.contains(.renewed)
      let isReshaped = pending != nil || options.xdp != nil && (changes.contains(.mtu) || changes.contains(.queues))
      await gate.enter()
      do throws(PlaneError) {
        try await adopt(now, isNew: isNew, isReshaped: isReshaped)
        unattached.withLock { $0 = nil }
        if pending != nil { neighborhood.resume() }
      } catch {
        unattached.withLock { $0 = isNew || isReshaped ? (isNew, "\(error)") : nil }
        // Another director may have the VIPs: here, all that comes for them would be lost.
        if isNew || isReshaped { neighborhood.suspend() }
        // Who lists the services is to see it at once.
        if pending == nil { Task { [weak self] in await self?.examine(isThorough: false) } }
        digest.report(.warning("interface \(name): \(error)"), now: Clock.milliseconds)
      }
      await gate.leave()
    }
    if changes.contains(where: \.concernsCarrier) { neighborhood.link(isUp: now.isUp) }
    // Switches learn anew where the VIPs are, whatever it was.
    if changes.contains(where: \.concernsSwitches) { neighborhood.announceAgain() }
  }

  /// Goes on with what the interface is now: of another address, or another one altogether.
  ///
  /// - Parameters:
  ///   - isNew: it is another one, to which nothing is bound yet.
  ///   - isReshaped: the workers' ports do not fit it any more.
  private func adopt(_ interface: Interface, isNew: Bool, isReshaped: Bool) async throws(PlaneError) {
    link.withLock { $0 = options.link(on: interface) }
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
}

extension InterfaceWatch.Change {
  /// Whether the data plane has to know.
  fileprivate var concernsLink: Bool {
    switch self {
    case .renewed, .station, .addresses, .mtu, .queues: true
    case .gone, .down, .up, .port: false
    }
  }

  /// Whether frames go out that did not, or the other way round.
  fileprivate var concernsCarrier: Bool {
    switch self {
    case .up, .down: true
    case .gone, .renewed, .station, .addresses, .mtu, .queues, .port: false
    }
  }

  /// Whether the VIPs may be where they are not expected.
  fileprivate var concernsSwitches: Bool {
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
