import LVS

/// How changes come into force: all of a request at the same moment.
extension UserspacePlane {
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
  func recommit() async {
    await gate.enter()
    try? await commit()
    await gate.leave()
  }

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
}
