import ArgumentParser
import LVS

struct DrainServer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drain-rs", abstract: "Gives a real server no new connections; those it has go on.",
    discussion: """
      The weight becomes 0. lbd remembers the old one ('drainedWeight' in list --json) and --undo gives it back.

      Examples:
        lbctl drain-rs -t 192.0.2.100:80 -r 192.0.2.11
        lbctl drain-rs -t 192.0.2.100:80 -r 192.0.2.11 --undo
      """)

  @OptionGroup var service: ServiceOptions
  @OptionGroup var name: ServerOptions

  @Flag(help: "Give the server its weight back.")
  var undo = false

  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    let key = try service.key
    var server = try await daemon.table.service(key).server(name.endpoint(in: key))
    if undo {
      guard let weight = server.drainedWeight else {
        throw PlaneError.invalid("\(server.endpoint) is not drained (edit-rs -w sets its weight)")
      }
      (server.weight, server.drainedWeight) = (weight, nil)
    } else if server.weight != 0 {
      (server.weight, server.drainedWeight) = (0, server.weight)
    }
    try await daemon.table.apply([.updateServer(server, of: key)])
  }
}
