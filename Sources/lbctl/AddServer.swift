import ArgumentParser
import Control
import LVS
import Streams

struct AddServer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add-rs", abstract: "Adds a real server to a virtual service.",
    discussion: """
      The method is -g and the weight 1 where none is named. A server that does not answer ARP or neighbor discovery
      is added all the same, and warned of; with --wait it is not.

      Examples:
        lbctl add-rs -t 192.0.2.100:80 -r 192.0.2.11
        lbctl add-rs -t 192.0.2.100:80 -r 192.0.2.12 -w 3 -x 10000 -y 8000
        lbctl add-rs -t 192.0.2.100:80 -r 192.0.2.13 --wait
      """)

  @OptionGroup var service: ServiceOptions
  @OptionGroup var name: ServerOptions
  @OptionGroup var settings: ServerSettings
  @Flag(help: "Wait until the server's Ethernet address is known; where it does not answer, do not add it.")
  var wait = false
  @OptionGroup var daemon: DaemonOptions

  /// How long a server may take to answer: where it decides, and where it is warned of.
  private static let (patience, warning) = (Duration.seconds(10), Duration.seconds(1))

  func validate() throws {
    if wait, daemon.kernel { throw ValidationError("--wait is of lbd: the kernel finds next hops when it needs them") }
  }

  func run() async throws {
    let key = try service.key
    var server = RealServer(name.server)
    settings.apply(to: &server)
    try checked { () throws(PlaneError) in try server.validate(in: key) }
    let director = try await daemon.director
    // A plane without next hops refuses before anything has changed.
    if wait { _ = try await director.call(API.neighbors) }
    try await director.apply([.addServer(server, to: key)])
    let placed = server.placed(in: key).endpoint
    try await lookForNextHop(placed, key, director)
    guard ![0, placed.port].contains(server.endpoint.port) else { return }
    Output.error.say(
      """
      lbctl: note: packets keep their port without -m: \(placed.address) is added with the service's \(placed.port), \
      not \(server.endpoint.port)\n
      """)
  }

  private func lookForNextHop(_ server: Endpoint, _ key: ServiceKey, _ director: any DirectorClient) async throws {
    let watch = NextHopWatch(director: director, server: server.address)
    if wait {
      if try await watch.isResolved(within: Self.patience) { return }
      try await director.apply([.removeServer(server, from: key)])
      throw PlaneError.unavailable(
        "real server \(server.address) does not answer ARP or neighbor discovery: it is not added")
    }
    // Whether it is in force is known by now; a plane without next hops has nothing to warn of.
    guard !daemon.kernel, (try? await watch.isResolved(within: Self.warning)) == false else { return }
    Output.error.say(
      "lbctl: warning: real server \(server.address) does not answer ARP or neighbor discovery: is it up, on the LAN?\n"
    )
  }
}
