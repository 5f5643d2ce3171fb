import LVS

/// How the next state comes into force: at one moment, or not at all.
extension UserspacePlane {
  public func adopt(_ transition: Transition) async throws(PlaneError) {
    try await turns.withTurn { () async throws(PlaneError) in
      try services.withLock { services throws(PlaneError) in
        try services.stage(transition.next, by: transition.steps, now: Clock.ticks)
      }
      do throws(PlaneError) {
        try await link.open(numbered(vips.all.union(transition.next.vips)))
      } catch {
        services.withLock { $0.abandon() }
        throw error
      }
      await publish(standby: transition.standby)
    }
  }

  /// Goes on where the process before this one ended: its services are in force already. VIPs that were its own just
  /// now are ours at once; for others that another host has by now we wait.
  public func resume() async throws(PlaneError) {
    try await turns.withTurn { () async throws(PlaneError) in
      let wanted = services.withLock { $0.desired.vips }
      let kept = wanted.intersection(state?.ownedVIPs(workers.shared.names, now: Clock.milliseconds) ?? [])
      try await link.open(numbered(wanted))
      let standby = await vips.owners(of: wanted.subtracting(kept))
      await publish(standby: standby, kept: kept)
    }
  }

  /// Leaves a sign of life for the process after this one; to be called every second.
  func beat() async {
    guard let state else { return }
    let listing = await vips.listing()
    services.withLock { services in
      services.shared.beat(Clock.milliseconds, listing, services.numbered(Set(listing.map(\.address))))
    }
    guard state.directory.shortage.take() else { return }
    digest.report(
      .warning("there is no more room in \(state.directory.path): what is new there does not outlive lbd (--state)"))
  }

  /// The numbers of VIPs, those of what is staged included.
  func numbered(_ vips: Set<IPAddress>) -> [IPAddress: UInt16] { services.withLock { $0.numbered(vips) } }

  /// Puts what is staged in force, or what there is on another link. The kernel lets all frames in by now that it takes.
  ///
  /// - Parameters:
  ///   - standby: VIPs that other hosts have for now.
  ///   - kept: VIPs that were ours just now, when another process had them.
  func publish(standby: [IPAddress: MACAddress] = [:], kept: Set<IPAddress> = []) async {
    workers.group.suspendFlows()
    defer { workers.group.resumeFlows() }
    let (hops, next) = services.withLock { ($0.nextHops, $0.staged?.next.vips ?? $0.desired.vips) }
    let before = vips.all
    resolve(hops)
    for vip in before.subtracting(next) { vips.leave(vip) }
    let link = self.link.link
    let moment = services.withLock {
      $0.publish(link: link, freePages: Memory.freePages, isCrowded: workers.isCrowded)
    }
    await workers.adopted(moment)
    for vip in next.subtracting(before) {
      if kept.contains(vip) { vips.keep(vip) } else { vips.take(vip, after: standby[vip]) }
    }
    services.withLock { $0.collect(Clock.ticks) }
    if !before.isSubset(of: next) { await self.link.narrow(numbered(next)) }
  }

  /// Has the neighbor thread find the servers that are new and forget those that are gone.
  private func resolve(_ hops: [IPAddress: NextHop]) {
    let gone = resolved.replace(hops)
    vips.worker.resolve(hops.mapValues(\.fixed))
    vips.worker.forget(gone.filter { !options.peerAddresses.contains($0) })
  }

  /// Has the workers take over defenses that changed by themselves.
  func defend() async {
    let isCrowded = workers.isCrowded
    let defended = services.withLock { $0.settings.defended(freePages: Memory.freePages, isCrowded: isCrowded) }
    guard defended != nil else { return }
    await turns.withTurn { await publish() }
  }
}

/// What the outside world says to claims.
extension UserspacePlane {
  public func admit(_ claims: [Claim]) async -> Admission {
    var admission = Admission()
    var asked: [IPAddress: Claim.Manner] = [:]
    do throws(PlaneError) {
      let host = try await link.ownAddresses()
      for claim in claims {
        do throws(PlaneError) { try check(claim, host) } catch { admission.refusals[claim.subject] = error }
        if case .vip(let vip) = claim.subject, claim.manner != .force, admission.refusals[claim.subject] == nil {
          asked[vip] = claim.manner
        }
      }
    } catch {
      for claim in claims { admission.refusals[claim.subject] = error }
    }
    for (vip, owner) in await vips.owners(of: Set(asked.keys)) {
      if await mayWait(for: owner, asked[vip]) {
        admission.standby[vip] = owner
      } else {
        admission.refusals[.vip(vip)] = .vipContested(vip, owner)
      }
    }
    return admission
  }

  private func mayWait(for owner: MACAddress, _ manner: Claim.Manner?) async -> Bool {
    switch manner {
    case .wait: true
    case .standBy: await vips.isPeer(owner)
    case .ask, .force, nil: false
    }
  }

  private func check(_ claim: Claim, _ host: OwnAddresses) throws(PlaneError) {
    switch claim.subject {
    case .service: break
    case .server(let server): try check(server, host)
    case .vip(let vip):
      try host.requireUnicast(vip)
      // By force a VIP is taken over from the host itself: the guard keeps its frames from the host's own stack.
      if claim.manner != .force, let interface = host.interface(of: vip) { throw .vipOnHost(vip, interface) }
    }
  }

  private func check(_ server: RealServer, _ host: OwnAddresses) throws(PlaneError) {
    let address = server.endpoint.address
    guard host.interface(of: address) == nil else {
      throw .invalid("\(address) is this director's own address: a real server is another host")
    }
    try host.requireUnicast(address)
    guard let mac = server.mac, mac == link.link.mac else { return }
    throw .invalid("\(mac) is this director's own Ethernet address: a real server is another host")
  }
}
