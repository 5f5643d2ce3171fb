import ArgumentParser
import LVS

/// Which real server.
struct ServerOptions: ParsableArguments {
  @Option(
    name: [.customShort("r"), .customLong("real-server")],
    help: ArgumentHelp("The real server; without a port, at the service's.", valueName: "rip[:port]"),
    completion: .servers, transform: addressAndPort)
  var server: Endpoint

  /// The server's name within the service.
  func endpoint(in service: ServiceKey) -> Endpoint {
    server.port == 0 ? Endpoint(server.address, service.port) : server
  }
}

/// What a real server is to be like. Only what is named is set.
struct ServerSettings: ParsableArguments {
  enum Method: EnumerableFlag {
    case gatewaying, ipip, masquerading

    static func name(for value: Method) -> NameSpecification {
      switch value {
      case .gatewaying: [.customShort("g"), .long]
      case .ipip: [.customShort("i"), .long]
      case .masquerading: [.customShort("m"), .long]
      }
    }

    static func help(for value: Method) -> ArgumentHelp? {
      switch value {
      case .gatewaying: "Direct routing; the server's port is the service's."
      case .ipip: "An IP-in-IP tunnel."
      case .masquerading: "Network address translation."
      }
    }

    var method: ForwardingMethod {
      switch self {
      case .gatewaying: .route
      case .ipip: .tunnel(Tunnel())
      case .masquerading: .masquerade
      }
    }
  }

  @Flag var method: Method?

  @OptionGroup var tunnel: TunnelOptions

  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp("0 to 65535; 0 quiesces the server.", valueName: "weight"))
  var weight: Int32?

  @Option(
    name: [.customShort("x"), .customLong("u-threshold")], parsing: .unconditional,
    help: ArgumentHelp("No new connections from this many on; 0: no limit.", valueName: "connections"))
  var upper: UInt32?

  @Option(
    name: [.customShort("y"), .customLong("l-threshold")], parsing: .unconditional,
    help: ArgumentHelp("New connections again below this many; 0: three quarters of -x.", valueName: "connections"))
  var lower: UInt32?

  @Option(
    help: ArgumentHelp("The server's Ethernet address, instead of having it resolved.", valueName: "mac"),
    transform: { try text($0, as: MACAddress.self) })
  var mac: MACAddress?

  func validate() throws {
    if tunnel.isNamed, method != .ipip { throw ValidationError("--tun-type and its like go with -i") }
  }

  /// A weight that is named ends a drain.
  func apply(to server: inout RealServer) {
    if let method { server.method = method == .ipip ? .tunnel(tunnel.tunnel) : method.method }
    if let weight { server.weight = Weight(weight) }
    if let upper { server.upperThreshold = upper }
    if let lower { server.lowerThreshold = lower }
    if let mac { server.mac = mac }
  }
}
