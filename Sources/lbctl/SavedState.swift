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

      With --dry-run nothing is changed: it prints what would be, a line each: + is added, - is removed, ~ changes.

      Exit status 0: done, or nothing to do; 1: refused; 2: with --dry-run, something would change; or the command line
      is wrong.

      Examples:
        lbctl apply -f lbd.yaml
        lbctl apply -f lbd.yaml --dry-run
      """)

  @Option(name: .shortAndLong, help: "The YAML file; '-' is standard input.", completion: .file())
  var file: String

  @Flag(help: "Print what would change, and change nothing.")
  var dryRun = false

  @OptionGroup var options: ListingOptions

  func run() async throws {
    if dryRun { return try await options.show(differences: API.planned, file: file) }
    try await options.director.become(file: file)
  }
}

struct Diff: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff", abstract: "Shows what was changed since a file was applied.",
    discussion: """
      A line each: + was added, - was removed, ~ was changed. What applying the file would make of it shows
      'lbctl apply --dry-run'.

      Exit status 0: all is as the file says; 1: refused; 2: something is otherwise, or the command line is wrong.

      Example:
        lbctl diff -f lbd.yaml
      """)

  @Option(name: .shortAndLong, help: "The YAML file; '-' is standard input.", completion: .file())
  var file: String

  @OptionGroup var options: ListingOptions

  func run() async throws { try await options.show(differences: API.drift, file: file) }
}

extension ListingOptions {
  /// Ends with 2 where there are any.
  fileprivate func show(
    differences operation: Control.Operation<Configuration, [Difference]>, file: String
  ) async throws {
    let differences = try await director.call(operation, try Configuration(file: file))
    try show(differences) { $0.map { "\($0.line)\n" }.joined() }
    if !differences.isEmpty { throw ExitCode(2) }
  }
}

extension DirectorClient {
  /// Reads and checks the file before anything is asked of the director, then prints how many changes it took.
  fileprivate func become(file path: String) async throws {
    let changes = try await call(API.apply, try Configuration(file: path)).changes
    try write("\(changes) \(changes == 1 ? "change" : "changes")\n")
  }
}
