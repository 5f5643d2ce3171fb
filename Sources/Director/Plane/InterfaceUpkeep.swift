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
      if now - last > standstill { plane.vips.worker.reappear() }
      last = now
      await plane.look()
    }
  }

  private func look() async {
    let (changes, isThere, isPending) = await link.look()
    guard isThere, isPending || !changes.isEmpty else { return }
    if isPending { await turns.withTurn { await follow(changes) } }
    if changes.contains(where: \.concernsCarrier) { vips.worker.link(isUp: link.interface.isUp) }
    // Switches learn anew where the VIPs are, whatever it was.
    if changes.contains(where: \.concernsSwitches) { vips.worker.announceAgain() }
  }

  private func follow(_ changes: [InterfaceWatch.Change]) async {
    let wasConnected = link.disconnection == nil
    vips.worker.adopt(link.interface)
    do throws(PlaneError) {
      try await link.follow(changes, numbered(vips.all)) { [vips, options] interface throws(SystemError) in
        try vips.worker.rebind(interface, vlan: options.vlan, virtual: options.virtualMAC)
      }
      await publish()
      if !wasConnected { vips.worker.resume() }
    } catch {
      // Another director may have the VIPs: here, all that comes for them would be lost.
      if link.disconnection != nil { vips.worker.suspend() }
      // Who lists the services is to see it at once.
      if wasConnected { Task { [weak self] in await self?.visit() } }
      digest.report(.warning("interface \(options.interface): \(error)"))
    }
  }
}
