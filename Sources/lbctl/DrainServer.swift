import ArgumentParser
import LVS

struct DrainServer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drain-rs", abstract: "Gives a real server no new connections; those it has go on.",
    discussion: """
      Its effective weight becomes 0. lbd remembers the one that was asked for, and --undo gives it back.

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
    let server = name.endpoint(in: key)
    try await daemon.director.apply([undo ? .undrainServer(server, of: key) : .drainServer(server, of: key)])
  }
}
