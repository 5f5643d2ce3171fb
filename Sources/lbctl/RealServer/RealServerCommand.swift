import ArgumentParser
import LVS

/// Run on a real server, without lbd: takes packets for the VIP, but neither answers nor speaks ARP for it.
struct RealServerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "real-server", abstract: "On a real server: prepares it for direct routing, or checks that it is.",
    subcommands: [Setup.self, Check.self, Teardown.self])

  struct Setup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Puts the VIP on lo and keeps ARP quiet about it.",
      discussion: """
        It sets arp_ignore=1 and arp_announce=2 on 'all' and on the interface, then puts the VIP on lo; and prints
        the file that does the same at the next boot.

        Examples:
          lbctl real-server setup --vip 192.0.2.100
          lbctl real-server setup --vip 192.0.2.100 --interface eth0 --dry-run
        """)

    @OptionGroup var place: RealServerPlace
    @Flag(help: "Only print what would be done.")
    var dryRun = false
    @Option(help: "For which system to print the file that keeps it across reboots; without it, for this one.")
    var keep: BootConfiguration.System?

    func run() async throws {
      let host = try RealServerHost(place)
      let steps = host.setup
      try RealServerHost.carryOut(steps, dryRun: dryRun)
      if !dryRun { try host.remember() }
      let system = keep ?? BootConfiguration.System.present
      if keep != nil || !dryRun { try write(BootConfiguration(system, host).text) }
    }
  }

  struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Says what is missing.",
      discussion: """
        It looks at the VIP, at ARP's settings, at the way back to clients, and at programs that do not accept the
        connections that wait for them; it takes a second.

        Exit status 0: ready; 1: something is missing.

        Examples:
          lbctl real-server check --vip 192.0.2.100
          lbctl real-server check --vip 192.0.2.100 --client 198.51.100.7
        """)

    @OptionGroup var place: RealServerPlace
    @Option(
      help: ArgumentHelp("Whether there is a way back to this client too.", valueName: "address"),
      transform: { try text($0, as: IPAddress.self) })
    var client: IPAddress?
    @OptionGroup var form: FormOptions

    func run() async throws {
      let host = try RealServerHost(place)
      let checks = try await host.checks + wayBack(host) + AcceptQueues.checks(of: host.vip)
      try show(checks, asJSON: form.json) { Self.report($0, host) }
      if !checks.allSatisfy(\.isRight) { throw ExitCode(1) }
    }

    private func wayBack(_ host: RealServerHost) throws -> [RealServerCheck] {
      guard let client else { return [] }
      guard client.family == host.vip.family else {
        throw ValidationError("--client \(client) is not of the same address family as \(host.vip)")
      }
      return [host.wayBack(to: client)]
    }

    private static func report(_ checks: [RealServerCheck], _ host: RealServerHost) -> String {
      let wrong = checks.filter { !$0.isRight }
      guard wrong.isEmpty else { return wrong.map { "\($0.seen) (\($0.fix))\n" }.joined() }
      return "ready: \(host.vip) is on lo, and \(host.interface) keeps quiet about it\n"
    }
  }

  struct Teardown: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Takes the VIP off lo and, after the last one, sets everything back to what it was before 'setup'.")

    @OptionGroup var place: RealServerPlace
    @Flag(help: "Only print what would be done.")
    var dryRun = false

    func run() async throws {
      let host = try RealServerHost(place)
      try RealServerHost.carryOut(host.teardown, dryRun: dryRun)
      if !dryRun { try host.forget() }
    }
  }
}

/// Which VIP, at which interface.
struct RealServerPlace: ParsableArguments {
  @Option(
    help: ArgumentHelp("The virtual address.", valueName: "address"), completion: .vips,
    transform: { try text($0, as: IPAddress.self) })
  var vip: IPAddress

  @Option(
    help: ArgumentHelp("The interface to the LAN; without it, that of the default route.", valueName: "name"),
    completion: .interfaces)
  var interface: String?

  func validate() throws {
    if !vip.isUnicast || vip.isLoopback { throw ValidationError("\(vip) is not an address that a VIP can have") }
  }
}
