import ArgumentParser
import Control
import Foundation

/// Exit status 0: done; 1: refused; 2: the command line is wrong. What went wrong is one line on standard error.
@main
enum Program {
  static func main() async {
    let words = CommandWords(CommandLine.arguments.dropFirst())
    do {
      var command = try Lbctl.parseAsRoot(words.prepared)
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch {
      exit(report(error, of: words))
    }
  }

  private static func report(_ error: any Error, of words: CommandWords) -> Int32 {
    let status = Lbctl.exitCode(for: error)
    if status.isSuccess {
      print(Lbctl.fullMessage(for: error))
      return 0
    }
    var line = Lbctl.message(for: error).split(whereSeparator: \.isNewline).joined(separator: " ")
    if status == .validationFailure { line += " (see \(words.helpCommand))" }
    FileHandle.standardError.write(Data("lbctl: \(line)\n".utf8))
    return status == .validationFailure ? 2 : 1
  }
}

struct Lbctl: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lbctl",
    abstract: "Steers lbd, the LVS-DR director.",
    discussion: """
      The letters are ipvsadm's. --socket and --json may stand before or after the command.

      Examples:
        lbctl add-service -t 192.0.2.100:80 -s wrr
        lbctl add-rs -t 192.0.2.100:80 -r 192.0.2.11 -w 3
        lbctl list --stats
        lbctl save > lbd.yaml
      """,
    subcommands: [
      AddService.self, EditService.self, DeleteService.self, AddServer.self, EditServer.self, DeleteServer.self,
      DrainServer.self, List.self, Zero.self, Flush.self, TimeoutsCommand.self, SetCommand.self, GetCommand.self,
      Save.self, Restore.self, Apply.self, Neighbors.self, VIPs.self, Workers.self, Verdicts.self, Capture.self,
      Bench.self,
    ])

  static let commandNames = configuration.subcommands.flatMap { command in
    [command.configuration.commandName].compactMap(\.self) + command.configuration.aliases
  }
}
