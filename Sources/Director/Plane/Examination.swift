import CLinux
import LVS

/// The doctor's visit: looks at everything, on the wire too, and says what is wrong.
extension UserspacePlane: Doctor {
  public func findings() async -> [Finding] { findings.present }

  public func examine() async throws(PlaneError) -> [Finding] { try await examine(isThorough: true) }

  /// Looks from time to time until the plane is gone.
  static func check(_ plane: () -> UserspacePlane?) async {
    guard let interval = plane()?.options.checkInterval, interval > 0 else { return }
    while (try? await Task.sleep(for: .seconds(interval))) != nil, let plane = plane() { await plane.visit() }
  }

  /// A look that nobody asked for: that it fails is logged.
  func visit() async {
    do throws(PlaneError) {
      try await examine(isThorough: false)
    } catch {
      digest.report(.warning("servers and VIPs cannot be looked at: \(error)"))
    }
  }

  /// What was said of a VIP counts for a round, and for this many milliseconds at least.
  private static let claimMemory: UInt64 = 5_000

  /// - Throws: where nothing can be sent, so that nothing is known.
  @discardableResult
  func examine(isThorough: Bool) async throws(PlaneError) -> [Finding] {
    let found = try await examinations.withTurn { () async throws(PlaneError) in
      try await observe(isThorough: isThorough).findings
    }
    tell(findings.replace(found))
    return findings.present
  }

  /// Tells what is new and what is over.
  func tell(_ changes: (appeared: [Finding], cured: [Finding])) {
    for finding in changes.appeared { digest.report(.found(finding)) }
    for finding in changes.cured { digest.report(.cured(finding)) }
  }

  private func observe(isThorough: Bool) async throws(PlaneError) -> Observation {
    let memory = max(UInt64(options.checkInterval) * 1_000, Self.claimMemory)
    vips.worker.survey()
    var observation = Observation(interface: link.interface)
    observation.disconnection = link.disconnection
    (observation.isThere, observation.host) = await link.examine()
    observation.sender = options.address
    observation.services = services.withLock { $0.status() }
    // Answers to the survey come meanwhile.
    let targets = await targets(observation.services)
    (observation.probes, observation.foreign) = try await probe(targets, isThorough: isThorough)
    let (vips, claims, peers, servers) = await vips.worker.inspect { neighborhood, now in
      var log = neighborhood.vips.claims
      log.expire(now: now, memory: memory, answers: false)
      let servers = neighborhood.neighbors.listing(now).map { row in
        Observation.Server(
          address: row.address, mac: neighborhood.neighbors.mac(row.address), isFailed: row.state == .failed,
          rival: neighborhood.neighbors.rival(row.address, now: now))
      }
      let vips = neighborhood.vips.listing
      let peers = Set(vips.compactMap(\.otherOwner).filter(neighborhood.isPeer))
      // What a peer said before its station was known counts no more.
      return (vips, log.claims.filter { !neighborhood.isPeer($0.station) }, peers, servers)
    }
    (observation.vips, observation.claims, observation.peers) = (vips, claims, peers)
    observation.servers = servers.filter { !options.peerAddresses.contains($0.address) }
    observation.clients = await clients(observation.services)
    observation.waiting = await waiting()
    return observation
  }

  /// What is to be sent to whom: each server of each service whose station is known, and that is no other director.
  private func targets(_ services: [ServiceStatus]) async -> [ServerProbe.Target] {
    let wanted = services.flatMap { status -> [(TransportProtocol, Endpoint, ServerStatus)] in
      guard case .endpoint(let transport, let end) = status.service.key else { return [] }
      return status.servers.map { (transport, end, $0) }
    }
    return await vips.worker.inspect { neighborhood, _ in
      wanted.compactMap { transport, end, status in
        let (server, sender) = (status.server.endpoint.address, neighborhood.sender(for: end.address))
        guard let mac = status.resolvedMAC, sender.isUnicast, !neighborhood.isPeer(mac) else { return nil }
        return ServerProbe.Target(server: server, mac: mac, virtual: end, transport: transport, sender: sender)
      }
    }
  }

  private typealias Answers = ([ProbeResult], [MACAddress: Int])

  /// Sends the probes from a thread of their own, since they wait.
  private func probe(_ targets: [ServerProbe.Target], isThorough: Bool) async throws(PlaneError) -> Answers {
    let interface = link.interface
    // There is nothing to send on; that is a finding of its own.
    if !interface.isUp || link.disconnection != nil { return ([], [:]) }
    let senders = Array(Set(targets.map(\.sender)))
    let (vlan, virtual) = (options.vlan, options.virtualMAC)
    let outcome: Result<Answers, PlaneError> = await withCheckedContinuation { continuation in
      let work: @Sendable () -> Void = {
        do throws(SystemError) {
          let probe = ServerProbe(targets, from: interface.mac, mtu: interface.mtu)
          var session = try ProbeSession(
            probe, interface: interface.index, vlan: vlan, senders: senders, virtual: virtual, isThorough: isThorough)
          continuation.resume(returning: .success(session.run()))
        } catch {
          continuation.resume(returning: .failure(.unavailable("\(error)")))
        }
      }
      do throws(SystemError) {
        _ = try Thread(name: "doctor", work)
      } catch {
        continuation.resume(returning: .failure(.unavailable("\(error)")))
      }
    }
    return try outcome.get()
  }

  private func waiting() async -> [HalfOpenCount.Wait] {
    let count = HalfOpenCount()
    await workers.counted(count.add)
    return count.waits
  }

  /// How many clients the connections of services have that keep each client at one server.
  private func clients(_ services: [ServiceStatus]) async -> [ServiceKey: Int] {
    var counts: [ServiceKey: Int] = [:]
    for status in services where status.servers.contains(where: { $0.statistics.connections >= 100 }) {
      let seen = ClientCount()
      _ = try? await connections(ConnectionFilter(service: status.service.key)) { rows in seen.add(rows) }
      counts[status.service.key] = seen.count
    }
    return counts
  }
}

extension LinkKeeper {
  /// Whether the interface is there, and how the host is set up. What cannot be found out, which is told, nothing is
  /// said against.
  func examine() -> (isThere: Bool, host: Observation.Host) {
    do throws(SystemError) {
      return (try Interface.find(options.interface) != nil, hostSettings())
    } catch {
      return (true, hostSettings())
    }
  }

  private func hostSettings() -> Observation.Host {
    var host = Observation.Host()
    do throws(SystemError) {
      host.addresses = try InterfaceAddresses.interfaces()
    } catch {
      digest.report(.warning("the host's addresses cannot be read: \(error)"))
    }
    func ipv4(_ name: String) -> Int { SystemFile.number("/proc/sys/net/ipv4/\(name)") ?? 0 }
    if ipv4("ip_forward") != 0 { host.forwards.insert(.v4) }
    if SystemFile.number("/proc/sys/net/ipv6/conf/all/forwarding") ?? 0 != 0 { host.forwards.insert(.v6) }
    host.isGuarded = options.hostGuard
    host.reversePathFilter = max(ipv4("conf/all/rp_filter"), ipv4("conf/\(options.interface)/rp_filter"))
    host.mergesFrames = InterfaceLink.mergesFrames(options.interface)
    host.hidesTags = options.xdp.map { DeviceFeatures.hidesTags(interface, isGeneric: $0 == .generic) } ?? false
    return host
  }
}
