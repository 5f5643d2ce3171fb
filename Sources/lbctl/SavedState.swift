import ArgumentParser
import Control
import Foundation
import LVS

struct Save: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "save", abstract: "Prints all services as YAML, for restore, apply and lbd --config.",
    discussion: """
      Example:
        lbctl save > lbd.yaml
      """)

  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    try write(await daemon.table.configuration().yaml())
  }
}

struct Restore: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore", abstract: "Makes the services what the saved YAML says, with the least changes.",
    discussion: """
      Services that do not stand there are removed; what is unchanged keeps its connections.

      Example:
        lbctl restore < lbd.yaml
      """)

  @Argument(help: "The saved file; '-' is standard input.", completion: .file())
  var file = "-"

  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    try await daemon.table.reconcile(toFile: file)
  }
}

struct Apply: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply", abstract: "Makes the services what a file says, with the least changes.",
    discussion: """
      Services that do not stand there are removed; what is unchanged keeps its connections.

      Example:
        lbctl apply -f lbd.yaml
      """)

  @Option(name: .shortAndLong, help: "The YAML file; '-' is standard input.", completion: .file())
  var file: String

  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    try await daemon.table.reconcile(toFile: file)
  }
}

extension VirtualServerTable {
  /// Reads and checks the file before anything is asked of the plane, then prints how many changes it took.
  fileprivate func reconcile(toFile path: String) async throws {
    let changes = try await reconcile(to: try Configuration(file: path))
    try write("\(changes) \(changes == 1 ? "change" : "changes")\n")
  }
}
