import ArgumentParser
import Control
import Foundation
import LVS

struct Save: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "save", abstract: "Prints what is wanted as YAML, for restore, apply and lbd --config.",
    discussion: """
      Services, marks, and those timeouts and settings that are not what they are by themselves.

      Example:
        lbctl save > lbd.yaml
      """)

  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    try write(await daemon.director.call(API.configuration).yaml())
  }
}

struct Restore: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore", abstract: "Makes the services what the saved YAML says, with the least changes.",
    discussion: """
      A file is all that is wanted: services that do not stand there are removed, timeouts and settings become what they
      are by themselves; what is unchanged keeps its connections. It is refused whole where another host has a VIP of it.

      Example:
        lbctl restore < lbd.yaml
      """)

  @Argument(help: "The saved file; '-' is standard input.", completion: .file())
  var file = "-"

  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    try await daemon.director.become(file: file)
  }
}

struct Apply: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply", abstract: "Makes the services what a file says, with the least changes.",
    discussion: """
      A file is all that is wanted: services that do not stand there are removed, timeouts and settings become what they
      are by themselves; what is unchanged keeps its connections. It is refused whole where another host has a VIP of it.

      Example:
        lbctl apply -f lbd.yaml
      """)

  @Option(name: .shortAndLong, help: "The YAML file; '-' is standard input.", completion: .file())
  var file: String

  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    try await daemon.director.become(file: file)
  }
}

extension DirectorClient {
  /// Reads and checks the file before anything is asked of the director, then prints how many changes it took.
  fileprivate func become(file path: String) async throws {
    let changes = try await call(API.apply, try Configuration(file: path)).changes
    try write("\(changes) \(changes == 1 ? "change" : "changes")\n")
  }
}
