import CLinux
import LVS

/// The doctor's visit: looks at everything, on the wire too, and says what is wrong.
extension UserspacePlane {
  public func findings() async -> [Finding] { findings.present }

  public func examine() async throws(PlaneError) -> [Finding] { await examine(isThorough: true) }

  /// Looks from time to time until the plane is gone.
  static func check(_ plane: () -> UserspacePlane?) async {
    guard let interval = plane()?.options.checkInterval, interval > 0 else { return }
    while (try? await Task.sleep(for: .seconds(interval))) != nil, let plane = plane() {
      _ = await plane.examine(isThorough: false)
    }
  }

  /// What was said of a VIP counts for two rounds and this many milliseconds.
  private static let claimMemory: UInt64 = 3_000

  @discardableResult
  func examine(isThorough: Bool) async -> [Finding] {
    // Two at a time would hear each other's answers.
    await examining.enter()
    let found = await observe(isThorough: isThorough).findings
    await examining.leave()
    let (appeared, cured) = findings.replace(found)
    for finding in appeared { digest.report(.found(finding), now: Clock.milliseconds) }
    for finding in cured { digest.report(.cured(finding), now: Clock.milliseconds) }
    return found
  }

  private func observe(isThorough: Bool) async -> Observation {
    let memory = UInt64(options.checkInterval) * 2_000 + Self.claimMemory
    neighborhood.survey()
    var observation = Observation(interface: watch.withLock { $0.interface })
    observation.disconnection = unattached.withLock { $0?.reason }
    observation.isThere = isThere()
    observation.sender = options.address
    observation.services = services.withLock { $0.status() }
    observation.host = hostSettings()
    // Answers to the survey come meanwhile.
    let targets = await targets(observation.services)
    (observation.probes, observation.foreign) = await probe(targets, isThorough: isThorough)
    let (vips, claims, servers) = await neighborhood.inspect { neighborhood, now in
      var log = neighborhood.vips.claims
      log.expire(now: now, memory: memory, answers: false)
      let servers = neighborhood.neighbors.listing(now).map { row in
        Observation.Server(
          address: row.address, mac: neighborhood.neighbors.mac(row.address), isFailed: row.state == .failed,
          rival: neighborhood.neighbors.rival(row.address, now: now))
      }
      return (neighborhood.vips.listing, log.claims, servers)
    }
    (observation.vips, observation.claims) = (vips, claims)
    observation.servers = servers.filter { !options.peerAddresses.contains($0.address) }
    observation.clients = await clients(observation.services)
    return observation
  }

  /// Where it cannot be found out, which the interface's upkeep tells of, nothing is said against it.
  private func isThere() -> Bool {
    do throws(SystemError) { return try Interface.find(options.interface) != nil } catch { return true }
  }

  private func hostSettings() -> Observation.Host {
    var host = Observation.Host()
    do throws(SystemError) {
      host.addresses = try InterfaceAddresses.interfaces()
    } catch {
      digest.report(.warning("the host's addresses cannot be read: \(error)"), now: Clock.milliseconds)
    }
    func ipv4(_ name: String) -> Int { SystemFile.number("/proc/sys/net/ipv4/\(name)") ?? 0 }
    if ipv4("ip_forward") != 0 { host.forwards.insert(.v4) }
    if SystemFile.number("/proc/sys/net/ipv6/conf/all/forwarding") ?? 0 != 0 { host.forwards.insert(.v6) }
    host.isGuarded = options.hostGuard
    host.reversePathFilter = max(ipv4("conf/all/rp_filter"), ipv4("conf/\(options.interface)/rp_filter"))
    host.mergesFrames = InterfaceLink.mergesFrames(options.interface)
    return host
  }

  /// What is to be sent to whom: each server of each service whose station is known.
  private func targets(_ services: [ServiceStatus]) async -> [ServerProbe.Target] {
    let wanted = services.flatMap { status -> [(TransportProtocol, Endpoint, ServerStatus)] in
      guard case .endpoint(let transport, let end) = status.service.key else { return [] }
      return status.servers.map { (transport, end, $0) }
    }
    return await neighborhood.inspect { neighborhood, _ in
      wanted.compactMap { transport, end, status in
        let (server, sender) = (status.server.endpoint.address, neighborhood.sender(for: end.address))
        guard let mac = status.resolvedMAC, sender.isUnicast else { return nil }
        return ServerProbe.Target(server: server, mac: mac, virtual: end, transport: transport, sender: sender)
      }
    }
  }

  /// Sends the probes from a thread of their own, since they wait.
  private func probe(_ targets: [ServerProbe.Target], isThorough: Bool) async -> ([ProbeResult], [MACAddress: Int]) {
    let interface = watch.withLock { $0.interface }
    let senders = Array(Set(targets.map(\.sender)))
    let (vlan, virtual) = (options.vlan, options.virtualMAC)
    return await withCheckedContinuation { continuation in
      let work: @Sendable () -> Void = {
        do throws(SystemError) {
          let probe = ServerProbe(targets, from: interface.mac, mtu: interface.mtu)
          var session = try ProbeSession(
            probe, interface: interface.index, vlan: vlan, senders: senders, virtual: virtual, isThorough: isThorough)
          continuation.resume(returning: session.run())
        } catch {
          continuation.resume(returning: ([], [:]))
        }
      }
      if (try? Thread(name: "doctor", work)) == nil { continuation.resume(returning: ([], [:])) }
    }
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
