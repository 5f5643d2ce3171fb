import ArgumentParser
import Control

struct Reload: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reload", abstract: "Has lbd apply its configuration file again, as SIGHUP does.",
    discussion: """
      Services that do not stand in the file of lbd's --config are removed; what is unchanged keeps its connections. A
      file with an error changes nothing.
      """)

  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    let changes = try await daemon.lbd.call(API.reload).changes
    try write("\(changes) \(changes == 1 ? "change" : "changes")\n")
  }
}
