import ArgumentParser
import LVS
import Streams

struct AddServer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add-rs", abstract: "Adds a real server to a virtual service.",
    discussion: """
      The method is -g and the weight 1 where none is named.

      Examples:
        lbctl add-rs -t 192.0.2.100:80 -r 192.0.2.11
        lbctl add-rs -t 192.0.2.100:80 -r 192.0.2.12 -w 3 -x 10000 -y 8000
      """)

  @OptionGroup var service: ServiceOptions
  @OptionGroup var name: ServerOptions
  @OptionGroup var settings: ServerSettings
  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    let key = try service.key
    var server = RealServer(name.server)
    settings.apply(to: &server)
    try checked { () throws(PlaneError) in try server.validate(in: key) }
    try await daemon.director.apply([.addServer(server, to: key)])
    let placed = server.placed(in: key).endpoint
    guard ![0, placed.port].contains(server.endpoint.port) else { return }
    Output.error.say(
      """
      lbctl: note: packets keep their port without -m: \(placed.address) is added with the service's \(placed.port), \
      not \(server.endpoint.port)\n
      """)
  }
}
