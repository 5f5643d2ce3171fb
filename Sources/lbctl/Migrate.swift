import ArgumentParser
import Control
import Director
import KernelIPVS
import LVS

struct Migrate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate", abstract: "Moves services between lbd's user-space plane and the kernel's IPVS.",
    discussion: """
      Services, servers, weights and limits move, all services of a VIP together, and with them their connections and
      templates. The plane that a service goes to has all of it before the other one lets go, and lbctl answers for the
      VIP in between. While connections are carried over nothing new begins: a client sends its first packet again.
      Connections of firewall marks' services, and templates of persistence engines, begin anew.

      Examples:
        lbctl migrate --to kernel
        lbctl migrate --to userspace -t 192.0.2.100:80
      """)

  enum Plane: String, ExpressibleByArgument, CaseIterable {
    case kernel, userspace
  }

  @Option(help: "Where the services go: kernel or userspace.")
  var to: Plane

  @OptionGroup var service: ServiceOptions

  @Option(
    help: ArgumentHelp("The interface that gets the VIPs (default: the one toward the servers).", valueName: "name"),
    completion: .interfaces)
  var interface: String?

  @OptionGroup var daemon: DaemonOptions

  func validate() throws {
    if daemon.kernel { throw ValidationError("--kernel: say with --to which way the services go") }
  }

  func run() async throws {
    let lbd = try daemon.lbd
    let kernel = try await KernelClient()
    try await refuseKernelDirector(lbd)
    let moved = try await to == .kernel ? chosen(of: lbd) : chosen(of: kernel)
    var connections = CarriedConnections(moved)
    switch to {
    case .kernel: try await toKernel(moved, lbd, kernel, &connections)
    case .userspace: try await toUserspace(moved, lbd, kernel, &connections)
    }
    try write("\(moved.count) \(moved.count == 1 ? "service" : "services") moved to \(to.rawValue)\n")
    if let line = connections.line { try write("\(line)\n") }
  }

  /// An lbd that keeps the kernel's own table has nothing to move it to.
  private func refuseKernelDirector(_ lbd: ControlClient) async throws {
    guard try await lbd.call(API.capabilities).plane == .userspace else {
      throw PlaneError.unavailable(
        "this lbd forwards through the kernel (--data-plane kernel): start one with another data plane to move services"
      )
    }
  }

  /// The service that was named and all others of its VIP, since only one plane gets a VIP's frames; all where none was.
  private func chosen(of table: any DirectorClient) async throws -> [ServiceDefinition] {
    let all = try await table.services().map(\.definition)
    guard let key = service.named else { return all }
    guard all.contains(where: { $0.service.key == key }) else { throw PlaneError.noSuchService(key) }
    return all.filter { $0.service.key == key || key.address != nil && $0.service.key.address == key.address }
  }

  /// The kernel is ready to forward and has the VIP; lbd's guard keeps frames from it until lbd lets go.
  private func toKernel(
    _ moved: [ServiceDefinition], _ lbd: ControlClient, _ kernel: KernelClient, _ connections: inout CarriedConnections
  ) async throws {
    try await copy(moved, to: kernel)
    let host = try OwnAddresses()
    var places: [IPAddress: String] = [:]
    for vip in Set(moved.compactMap(\.service.key.address)) {
      places[vip] = try host.interface(of: vip).map(Self.interface) ?? interfaceName(for: vip, moved, host)
    }
    for (vip, interface) in places where host.interface(of: vip) == nil {
      try HostAddresses(interface: interface).add(vip)
    }
    let stand = try StandIn(places)
    defer { stand.leave() }
    try await connections.carry(from: lbd, to: kernel)
    try await lbd.apply(moved.map { .removeService($0.service.key) })
    try await connections.end(lbd)
    // The VIPs may have had a station of their own: all learn of the interface's.
    try await stand.announced()
  }

  /// lbd takes the VIP over while the kernel still has it: its guard then keeps the frames from the kernel. The address
  /// goes before the services, so that the host's stack never answers for itself. What the kernel knows does not change
  /// any more once it gets no frames.
  private func toUserspace(
    _ moved: [ServiceDefinition], _ lbd: ControlClient, _ kernel: KernelClient, _ connections: inout CarriedConnections
  ) async throws {
    for definition in moved { try definition.validate() }
    let host = try OwnAddresses()
    var places: [IPAddress: String] = [:]
    for vip in moved.compactMap(\.service.key.address) { places[vip] = host.interface(of: vip).map(Self.interface) }
    let stand = try StandIn(places)
    defer { stand.leave() }
    try await connections.begin(lbd)
    try await copy(moved, to: lbd)
    try await connections.carry(from: kernel, to: lbd)
    try await connections.end(lbd)
    for (vip, interface) in places { try HostAddresses(interface: interface).remove(vip) }
    try await kernel.apply(moved.map { .removeService($0.service.key) })
  }

  /// The interface of an address, which may stand there with a label.
  private static func interface(_ label: String) -> String { String(label.prefix { $0 != ":" }) }

  /// Makes the services there what they are here, servers and all. What is there already is brought up to date.
  private func copy(_ moved: [ServiceDefinition], to table: any DirectorClient) async throws {
    let keys = Set(moved.map(\.service.key))
    let there = try await table.services().map(\.definition).filter { keys.contains($0.service.key) }
    let portable = moved.map { definition in
      var definition = definition
      if to == .kernel { for index in definition.servers.indices { definition.servers[index].mac = nil } }
      return definition
    }
    try await table.apply(
      changes(from: there, to: portable).map { change in
        if case .addService(let service, _) = change { .addService(service, force: true) } else { change }
      })
  }

  private func interfaceName(
    for vip: IPAddress, _ moved: [ServiceDefinition], _ host: OwnAddresses
  ) throws -> String {
    if let interface { return interface }
    let servers = moved.filter { $0.service.key.address == vip }.flatMap(\.servers)
    guard let name = ([vip] + servers.map(\.endpoint.address)).compactMap(host.interface(toward:)).first else {
      throw PlaneError.unavailable("no interface is in a network with \(vip) or its servers: name one with --interface")
    }
    return name
  }
}

/// Answers for VIPs while they go from one plane to the other, when for a moment neither does.
private struct StandIn {
  private static let count = 3
  /// Milliseconds between two announcements.
  private static let interval = 100

  private let announcers: [VIPOwnership]

  /// - Parameter places: the VIPs and their interfaces.
  init(_ places: [IPAddress: String]) throws(PlaneError) {
    var announcers: [VIPOwnership] = []
    for (interface, vips) in Dictionary(grouping: places, by: \.value) {
      var options = DirectorOptions(interface: interface)
      (options.announceCount, options.announceInterval) = (Self.count, Self.interval)
      let announcer = try VIPOwnership(options) { _ in }
      for vip in vips.map(\.key) { announcer.take(vip) }
      announcers.append(announcer)
    }
    self.announcers = announcers
  }

  /// Returns when the VIPs have been announced often enough.
  func announced() async throws {
    try await Task.sleep(for: .milliseconds(Self.interval * Self.count))
  }

  func leave() { for announcer in announcers { announcer.stop() } }
}
