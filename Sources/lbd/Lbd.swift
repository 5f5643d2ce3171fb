import ArgumentParser
import BuildStamp
import Capture
import Control
import Director
import Health
import LVS
import Logging
import Streams

struct Lbd: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lbd",
    abstract: "An LVS-DR director: owns virtual IP addresses on a LAN and sends each client to a real server.",
    discussion: """
      Services and real servers come from lbctl, or from a file that 'lbctl save' wrote.

      Examples:
        lbd --interface eth0
        lbd --interface eth0 --vlan 100 --config lbd.yaml --metrics 127.0.0.1:9100
        lbd --interface eth0 --data-plane af-xdp --workers 2
        lbd --replay in.pcap --write out.pcap --config lbd.yaml
      """,
    version: Build.text(of: "lbd", dataPlanes: NetworkOptions.DataPlane.allCases.map(\.rawValue)))

  /// Runs the commands of health checks. It is made where it is asked for first, which must be before the right to is
  /// given up; nil where the kernel has no process to spare.
  static let broker = CommandBroker()

  @OptionGroup(title: "Network") var network: NetworkOptions
  @OptionGroup(title: "VIPs") var vips: VIPOptions
  @OptionGroup(title: "Synchronization") var sync: SyncOptions
  @OptionGroup(title: "Control") var control: ControlOptions
  @OptionGroup(title: "Replay") var replaying: ReplayOptions

  func validate() throws {
    if network.interface == nil, replaying.input == nil, control.checkConfig == nil {
      throw ValidationError("name the interface to the servers' LAN: --interface eth0")
    }
    guard network.dataPlane == .kernel else { return }
    if let state = control.state, state != KeptDirectory.none {
      throw ValidationError("--state does not go with --data-plane kernel, which keeps its state itself")
    }
    if control.replace { throw ValidationError("--replace does not go with --data-plane kernel") }
    // What the kernel decides by itself, and what cannot be had of it.
    if network.vlan != nil { throw ValidationError("--vlan does not go with --data-plane kernel: name its interface") }
    if network.workers != 1 { throw ValidationError("--workers does not go with --data-plane kernel") }
    if vips.virtualMac != nil { throw ValidationError("--virtual-mac does not go with --data-plane kernel") }
    if vips.standby {
      throw ValidationError("--standby does not go with --data-plane kernel: keepalived has the VIPs then")
    }
    if sync.sync != nil {
      throw ValidationError("--sync does not go with --data-plane kernel: lbctl ipvsadm --start-daemon is its own")
    }
    if vips.noHostGuard { throw ValidationError("--no-host-guard does not go with --data-plane kernel") }
  }

  func run() async throws {
    if let file = control.checkConfig { return try await check(file) }
    let configuration = try control.config.map { path in try Configuration(file: path) }
    if let input = replaying.input, let output = replaying.output {
      let replay = Replay(configuration ?? Configuration(), stations: replaying.mac, vlan: network.vlan)
      return try Output.standard.write("\(replay.run(input, to: output))\n".utf8)
    }
    var logger = Logger(label: "lbd")
    logger.logLevel = control.logLevel
    try await Daemon(options: self, configuration: configuration, logger: logger).run()
  }

  /// Checks a file as far as that can be done without an interface, and without a kernel's IPVS.
  private func check(_ file: String) async throws {
    let configuration = try Configuration(file: file)
    do throws(PlaneError) {
      if network.dataPlane != .kernel {
        var capabilities = Capabilities.userspace
        capabilities.features.formUnion([.checks, .vipChecks, .discovery])
        _ = try DesiredState(configuration, capabilities)
      }
      for named in configuration.services.flatMap(\.namedChecks) { try await HealthMonitor.validate(named.check) }
    } catch { throw PlaneError.invalid("\(file): \(error)") }
    let (services, servers) = (configuration.services.count, configuration.services.map(\.servers.count).reduce(0, +))
    try Output.standard.write("\(file): \(services) services with \(servers) real servers\n".utf8)
  }
}
