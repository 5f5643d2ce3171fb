import ArgumentParser
import Control
import Director
import KernelIPVS
import LVS

struct Migrate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate", abstract: "Moves services between lbd's user-space plane and the kernel's IPVS.",
    discussion: """
      Services, servers, weights and limits move; connections begin anew. The plane that a service goes to has all of
      it, and then the VIP, before the other one lets go.

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
    help: ArgumentHelp("The interface that gets the VIPs (default: the one towards the servers).", valueName: "name"))
  var interface: String?

  @OptionGroup var daemon: DaemonOptions

  func validate() throws {
    if daemon.kernel { throw ValidationError("--kernel: say with --to which way the services go") }
  }

  func run() async throws {
    let lbd = try daemon.client
    let kernel = try KernelTable()
    let moved: [ServiceDefinition]
    switch to {
    case .kernel:
      moved = try await lbd.services(service.named).map(\.definition)
      try await toKernel(moved, lbd, kernel)
    case .userspace:
      moved = try await kernel.services(service.named).map(\.definition)
      try await toUserspace(moved, lbd, kernel)
    }
    try write("\(moved.count) \(moved.count == 1 ? "service" : "services") moved to \(to.rawValue)\n")
  }

  /// The kernel is ready to forward and has the VIP; lbd's guard keeps frames from it until lbd lets go.
  private func toKernel(_ moved: [ServiceDefinition], _ lbd: ControlClient, _ kernel: KernelTable) async throws {
    try await copy(moved, to: kernel)
    let host = VIPAnnouncer.hostAddresses()
    for vip in Set(moved.compactMap(\.service.key.address)) where host[vip] == nil {
      try HostAddresses(interface: try interfaceName(for: vip, moved)).add(vip)
    }
    try await lbd.apply(moved.map { .removeService($0.service.key) })
  }

  /// lbd takes the VIP over while the kernel still has it: its guard then keeps the frames from the kernel. The address
  /// goes before the services, so that the host's stack never answers for itself.
  private func toUserspace(_ moved: [ServiceDefinition], _ lbd: ControlClient, _ kernel: KernelTable) async throws {
    for definition in moved { try definition.validate() }
    let host = VIPAnnouncer.hostAddresses()
    try await copy(moved, to: lbd)
    let keys = Set(moved.map(\.service.key))
    let rest = Set(
      try await kernel.services(nil).map(\.service.key).filter { !keys.contains($0) }.compactMap(\.address))
    for vip in Set(moved.compactMap(\.service.key.address)).subtracting(rest) {
      guard let name = host[vip] else { continue }
      try HostAddresses(interface: String(name.prefix { $0 != ":" })).remove(vip)
    }
    try await kernel.apply(moved.map { .removeService($0.service.key) })
  }

  /// Makes the services there what they are here, servers and all. What is there already is brought up to date.
  private func copy(_ moved: [ServiceDefinition], to table: any VirtualServerTable) async throws {
    let keys = Set(moved.map(\.service.key))
    let there = try await table.services(nil).map(\.definition).filter { keys.contains($0.service.key) }
    let portable = moved.map { definition in
      var definition = definition
      for index in definition.servers.indices {
        if to == .kernel { definition.servers[index].mac = nil }
        definition.servers[index].drainedWeight = nil
      }
      return definition
    }
    try await table.apply(
      changes(from: there, to: portable).map { change in
        if case .addService(let service, _) = change { .addService(service, force: true) } else { change }
      })
  }

  private func interfaceName(for vip: IPAddress, _ moved: [ServiceDefinition]) throws -> String {
    if let interface { return interface }
    let servers = moved.filter { $0.service.key.address == vip }.flatMap(\.servers)
    guard let name = ([vip] + servers.map(\.endpoint.address)).compactMap(VIPAnnouncer.interface(towards:)).first else {
      throw PlaneError.unavailable("no interface is in a network with \(vip) or its servers: name one with --interface")
    }
    return name
  }
}
