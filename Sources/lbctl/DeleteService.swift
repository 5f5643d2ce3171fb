import ArgumentParser
import LVS

struct DeleteService: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "del-service", abstract: "Removes a virtual service with its real servers.",
    discussion: """
      Example:
        lbctl del-service -t 192.0.2.100:80
      """)

  @OptionGroup var service: ServiceOptions
  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    try await daemon.director.apply([.removeService(try service.key)])
  }
}
