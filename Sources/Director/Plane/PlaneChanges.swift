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
    let host = OwnAddresses()
    var refusals = services.withLock { services in
      changes.map { change -> PlaneError? in
        do throws(PlaneError) {
          try check(change, outcomes, host, services.rules)
          try carryOut(change, services)
          return nil
        } catch { return error }
      }
    }
    do throws(PlaneError) { try await commit() } catch { refusals = refusals.map { $0 ?? error } }
    leaveProbed(outcomes)
    await gate.leave()
    return refusals
  }

  /// Nothing is carried out where one of them cannot be.
  ///
  /// - Parameter waits: a VIP that another host has is not refused, but taken when that has let go of it.
  private func apply(_ changes: [Change], waits: Bool) async throws(PlaneError) {
    await gate.enter()
    let outcomes = await probe(for: changes, waits: waits)
    let host = OwnAddresses()
    var failure: PlaneError?
    services.withLock { services in
      do throws(PlaneError) {
        for change in changes { try check(change, outcomes, host, services.rules) }
        for change in changes { try carryOut(change, services) }
      } catch { failure = error }
    }
    do throws(PlaneError) { try await commit() } catch { failure = failure ?? error }
    leaveProbed(outcomes)
    await gate.leave()
    if let failure { throw failure }
  }

  /// What forbids a change, whatever else its request changes.
  ///
  /// - Parameter outcomes: which new VIPs were probed for, and why they cannot be had.
  private func check(
    _ change: Change, _ outcomes: [IPAddress: PlaneError?], _ host: OwnAddresses, _ rules: [MarkRule]
  ) throws(PlaneError) {
    switch change {
    case .addService(let service, _):
      if let vip = service.key.address { try host.checkUnicast(vip) }
      for vip in service.key.addresses(by: rules) { if let refusal = outcomes[vip] ?? nil { throw refusal } }
    case .addServer(let server, _), .updateServer(let server, _):
      try host.check(server)
      guard !owned.withLock({ $0.contains(server.endpoint.address) }) else {
        throw .invalid("\(server.endpoint.address) is a VIP: name the real server by an address of its own")
      }
      guard let mac = server.mac, mac == link.withLock({ $0.mac }) else { return }
      throw .invalid("\(mac) is this director's own Ethernet address: a real server is another host")
    default: break
    }
  }

  private func carryOut(_ change: Change, _ services: Services) throws(PlaneError) {
    if case .addService(let service, _) = change, services.contains(service.key) { throw .serviceExists(service.key) }
    try services.apply(change, now: Clock.ticks)
  }

  /// Forgets the VIPs that were probed for and that no service came to have.
  func leaveProbed(_ outcomes: [IPAddress: PlaneError?]) {
    let owned = owned.withLock { $0 }
    for vip in outcomes.keys where !owned.contains(vip) { neighborhood.remove(vip) }
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

/// The addresses of this host, which are no real servers.
private struct OwnAddresses {
  private let all: Result<[Prefix.Interface], PlaneError>

  init() {
    all = Result { () throws(PlaneError) in
      try available { () throws(SystemError) in try InterfaceAddresses.all().map(\.address) }
    }
  }

  func check(_ server: RealServer) throws(PlaneError) {
    let address = server.endpoint.address
    guard try !all.get().contains(where: { $0.address == address }) else {
      throw .invalid("\(address) is this director's own address: a real server is another host")
    }
    try checkUnicast(address)
  }

  /// A subnet's last address is that of all its hosts.
  func checkUnicast(_ address: IPAddress) throws(PlaneError) {
    guard let subnet = try all.get().first(where: { $0.broadcast == address }) else { return }
    throw .notUnicast("the broadcast address of \(subnet.network),", address)
  }
}
