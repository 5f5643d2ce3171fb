import ArgumentParser
import LVS

struct DeleteServer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "del-rs", abstract: "Removes a real server from a virtual service.",
    discussion: """
      Its connections end. To let them finish first, see drain-rs.

      Example:
        lbctl del-rs -t 192.0.2.100:80 -r 192.0.2.11
      """)

  @OptionGroup var service: ServiceOptions
  @OptionGroup var name: ServerOptions
  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    let key = try service.key
    try await daemon.director.apply([.removeServer(name.endpoint(in: key), from: key)])
  }
}
