import ArgumentParser
import Control
import Director
import LVS
import Logging

struct NetworkOptions: ParsableArguments {
  enum DataPlane: String, ExpressibleByArgument, CaseIterable {
    case afPacket = "af-packet"
    case afXDP = "af-xdp"
    /// The kernel's own IPVS.
    case kernel
  }

  enum FlowOffloadChoice: String, ExpressibleByArgument, CaseIterable {
    case auto, off
  }

  @Option(
    help: ArgumentHelp("The interface to the LAN of the real servers.", valueName: "name"),
    completion: .shellCommand("ls /sys/class/net"))
  var interface: String?

  @Option(
    help: ArgumentHelp("The director's own address there (default: the interface's that fits).", valueName: "dip"),
    transform: { try text($0, as: IPAddress.self) })
  var address: IPAddress?

  @Option(help: ArgumentHelp("Run on this VLAN of a trunk port.", valueName: "id"))
  var vlan: UInt16?

  @Option(help: "Who forwards: lbd itself through packet sockets or AF_XDP, or the kernel's own IPVS.")
  var dataPlane = DataPlane.afPacket

  @Option(
    help: """
      How AF_XDP is used: in the driver (without copying where it can, or always copying), or generic, in the network \
      stack, which drops frames above the MTU.
      """)
  var xdpMode = XDPMode.native

  @Option(
    help: """
      With af-xdp: whether the XDP program forwards established flows by itself (auto, off); auto does where the \
      interface can transmit from XDP.
      """)
  var flowOffload = FlowOffloadChoice.auto

  @Option(help: "Worker threads.")
  var workers = 1

  @Option(
    help: ArgumentHelp(
      """
      How many connections the whole table holds, of all workers together, in 64 bytes of memory each, taken as it grows \
      and given back (default: what fits in a sixteenth of the memory, at least 1048576).
      """, valueName: "number"))
  var connections: Int?

  @Option(
    help: ArgumentHelp(
      "How many persistence templates that table holds, likewise (default: as many as connections).",
      valueName: "number"))
  var templates: Int?

  func validate() throws {
    if let vlan, !(1...4094).contains(vlan) { throw ValidationError("VLAN \(vlan) is not in 1 to 4094") }
    if xdpMode != .native, dataPlane != .afXDP { throw ValidationError("--xdp-mode goes with --data-plane af-xdp") }
    if flowOffload != .auto, dataPlane != .afXDP {
      throw ValidationError("--flow-offload goes with --data-plane af-xdp")
    }
    if !(1...256).contains(workers) { throw ValidationError("\(workers) workers are not in 1 to 256") }
    for (number, what) in [(connections, "connections"), (templates, "templates")] {
      if let number, !(1024...1 << 30).contains(number) {
        throw ValidationError("\(number) \(what) are not in 1024 to \(1 << 30)")
      }
    }
  }
}

extension XDPMode: ExpressibleByArgument {}

struct VIPOptions: ParsableArguments {
  enum Unclaimed: String, ExpressibleByArgument, CaseIterable {
    case reject, drop
  }

  enum Conflict: String, ExpressibleByArgument, CaseIterable {
    case keep, yield
  }

  enum Peer {
    case station(MACAddress)
    case address(IPAddress)

    init(_ text: String) throws {
      if let station = MACAddress(text), station.isStation {
        self = .station(station)
      } else if let address = IPAddress(text), address.isUnicast {
        self = .address(address)
      } else {
        throw ValidationError("'\(text)' is neither a MAC nor an IP address of a host")
      }
    }
  }

  @Flag(help: "Own no VIP until 'lbctl takeover': another director has them. What comes is forwarded all the same.")
  var standby = false

  @Option(help: "How often to ask for another owner before a VIP is taken.")
  var probeCount = 3

  @Option(help: "Milliseconds between two of those probes.")
  var probeInterval = 200

  @Option(help: "How often a VIP is announced when it is taken.")
  var announceCount = 3

  @Option(help: "Milliseconds between two of those announcements.")
  var announceInterval = 1000

  @Option(help: "Seconds between the later announcements; 0: none.")
  var announceRefresh = 60

  @Option(help: "Whether a VIP is kept or given up when a host claims it again after it was defended.")
  var conflict = Conflict.keep

  @Option(
    help: ArgumentHelp(
      "Have the VIPs at the station 00:00:5e:00:01:VRID, so that a takeover changes nobody's ARP table.",
      valueName: "vrid"))
  var virtualMac: UInt8?

  @Option(
    help: ArgumentHelp("Another director, which may have our VIPs; may be repeated.", valueName: "mac|address"),
    transform: Peer.init)
  var peer: [Peer] = []

  @Option(help: "Seconds between two looks for what breaks direct routing, as lbctl doctor does; 0: none.")
  var checkInterval = 60

  @Option(help: "What becomes of packets that no service or connection wants.")
  var unclaimed = Unclaimed.reject

  @Flag(help: "Let the host's own stack see the VIPs' frames.")
  var noHostGuard = false

  func validate() throws {
    let ranges = [
      ("--probe-count", probeCount, 0...100), ("--probe-interval", probeInterval, 1...60_000),
      ("--announce-count", announceCount, 0...100), ("--announce-interval", announceInterval, 1...60_000),
      ("--announce-refresh", announceRefresh, 0...86_400), ("--check-interval", checkInterval, 0...86_400),
    ]
    for (name, value, range) in ranges where !range.contains(value) {
      throw ValidationError("\(name) \(value) is not in \(range.lowerBound) to \(range.upperBound)")
    }
    if virtualMac == 0 { throw ValidationError("--virtual-mac 0 is not in 1 to 255") }
  }
}

struct ControlOptions: ParsableArguments {
  enum Seccomp: String, ExpressibleByArgument, CaseIterable {
    case on, strict, log, off

    /// nil where there is no filter.
    var action: SystemCallFilter.Action? {
      switch self {
      case .on: .refuse
      case .strict: .kill
      case .log: .log
      case .off: nil
      }
    }
  }

  @Option(help: "The Unix socket that lbctl speaks to.", completion: .file())
  var socket = ControlSocket.standardPath

  @Option(
    help: ArgumentHelp(
      "Let this group use the control socket too; without it, its owner alone may.", valueName: "group"),
    transform: group)
  var socketGroup: SocketGroup?

  @Option(
    help: """
      What becomes of system calls that lbd never makes: they fail (on), end it (strict), or go through (log, which has \
      the kernel log them, and off).
      """)
  var seccomp = Seccomp.on

  @Option(help: ArgumentHelp("Load the services that 'lbctl save' wrote.", valueName: "file"), completion: .file())
  var config: String?

  @Option(
    help: ArgumentHelp("Say whether such a file is right, and exit.", valueName: "file"), completion: .file())
  var checkConfig: String?

  @Option(
    help: ArgumentHelp(
      """
      Where connections, services and counts are kept for the lbd that comes after this one, such as a directory in \
      memory (tmpfs); none: nowhere (default: $RUNTIME_DIRECTORY, which the service manager sets, else none).
      """, valueName: "directory|none"), completion: .directory)
  var state: String?

  @Flag(help: "Take over from the lbd that runs at this interface and socket, which then ends.")
  var replace = false

  @Option(
    help: ArgumentHelp(
      """
      How long what is in the kernel goes on alone when lbd has died and nobody starts it again: the host guard, and the \
      flows that the XDP program forwards where a service manager keeps it.
      """, valueName: "seconds"))
  var orphanLease = 30

  @Option(
    help: ArgumentHelp("Serve Prometheus metrics over TCP too.", valueName: "address:port"),
    transform: { try text($0, as: Endpoint.self) })
  var metrics: Endpoint?

  @Option(
    help: ArgumentHelp("trace, debug, info, notice, warning, error or critical.", valueName: "level"),
    completion: .list(Logger.Level.allCases.map(\.rawValue)), transform: level)
  var logLevel = Logger.Level.info

  func validate() throws {
    if !(3...86_400).contains(orphanLease) {
      throw ValidationError("--orphan-lease \(orphanLease) is not in 3 to 86400")
    }
  }
}

struct ReplayOptions: ParsableArguments {
  @Option(
    name: .customLong("replay"),
    help: ArgumentHelp("Run a capture file through the director instead of an interface, and exit.", valueName: "pcap"),
    completion: .file())
  var input: String?

  @Option(
    name: .customLong("write"), help: ArgumentHelp("Where a replay writes what comes out.", valueName: "pcap"),
    completion: .file())
  var output: String?

  @Option(
    help: ArgumentHelp(
      """
      The station that a replay takes frames for (default: the one that says in the capture that the VIPs are there, or \
      that most of their frames go to); twice where the VIPs have one of their own: theirs first.
      """, valueName: "mac"),
    transform: { try text($0, as: MACAddress.self) })
  var mac: [MACAddress] = []

  func validate() throws {
    if (input == nil) != (output == nil) { throw ValidationError("--replay and --write go together") }
    if input == nil, !mac.isEmpty { throw ValidationError("--mac goes with --replay") }
    if mac.count > 2 { throw ValidationError("--mac is given \(mac.count) times: a director has two stations at most") }
    if let wrong = mac.first(where: { !$0.isStation }) { throw ValidationError("\(wrong) is no station's") }
  }
}

private func group(_ name: String) throws -> SocketGroup {
  guard let group = SocketGroup(name) else { throw ValidationError("there is no group '\(name)'") }
  return group
}

private func level(_ text: String) throws -> Logger.Level {
  guard let level = Logger.Level(rawValue: text) else {
    throw ValidationError("there are \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))")
  }
  return level
}

private func text<Value: TextCodable>(_ text: String, as type: Value.Type) throws -> Value {
  guard let value = Value(text) else { throw ValidationError("not \(Value.kind)") }
  return value
}
