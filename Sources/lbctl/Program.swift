import ArgumentParser
import BuildStamp
import Control
import Foundation
import Streams

/// Exit status 0: done; 1: refused; 2: the command line is wrong. What went wrong is one line on standard error.
@main
enum Program {
  static func main() throws {
    Output.prepare()
    // Speaking to the kernel takes no other thread: as ipvsadm the program is started often.
    if let status = runAsIpvsadm(CommandLine.arguments) { exit(status) }
    guard let ending = try wait({ await run(CommandWords(CommandLine.arguments.dropFirst())) }) else { return }
    exit(end(ending.status, ending.text.isEmpty ? "" : "\(ending.text)\n"))
  }

  /// Says what there is to say at the end.
  ///
  /// - Parameter text: what was asked for where the status is 0, else what is wrong.
  /// - Returns: the exit status: 1 where what was asked for cannot be written.
  static func end(_ status: Int32, _ text: String) -> Int32 {
    do {
      if status == 0 { try write(text) } else { Output.error.say(text) }
      return status
    } catch {
      Output.error.say("lbctl: \(error)\n")
      return 1
    }
  }

  /// `lbctl ipvsadm …`, and the program under one of ipvsadm's names; nil where it is neither.
  private static func runAsIpvsadm(_ line: [String]) -> Int32? {
    let words = Array(line.dropFirst())
    switch line.first.map({ $0.split(separator: "/").last ?? "" }) {
    case "ipvsadm": return IpvsadmProgram.run(words, name: line[0])
    case "ipvsadm-save": return IpvsadmScripts.save(words)
    case "ipvsadm-restore": return IpvsadmScripts.restore(words)
    default:
      return CommandWords(words).ipvsadm.map { IpvsadmProgram.run($0) }
    }
  }

  /// Carries the command line out; nil where there is nothing more to say.
  static func run(_ words: CommandWords) async -> Ending? {
    do {
      try words.checkCommand()
      try words.checkRepetition()
      var command = try await Lbctl.asyncParseAsRoot(words.prepared)
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
      return nil
    } catch {
      return Ending(error, of: words)
    }
  }
}

/// How the program ends where a command did not just return: with help, or with one line that says what is wrong.
struct Ending: Equatable {
  let status: Int32
  let text: String

  init(_ error: any Error, of words: CommandWords) {
    let code = Lbctl.exitCode(for: error)
    let line = Lbctl.message(for: error).split(whereSeparator: \.isNewline).joined(separator: " ")
    switch code {
    case _ where error is ExitCode: (status, text) = (code.rawValue, "")
    case .success: (status, text) = (0, Lbctl.fullMessage(for: error))
    case .validationFailure: (status, text) = (2, "lbctl: \(line) (see \(words.helpCommand))")
    default: (status, text) = (1, "lbctl: \(line)")
    }
  }
}

struct Lbctl: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lbctl",
    abstract: "Steers lbd, the LVS-DR director.",
    discussion: """
      The letters are ipvsadm's, and 'lbctl ipvsadm' is ipvsadm itself. --socket, --timeout, --kernel and --json
      may stand before or after the command.

      Examples:
        lbctl add-service -t 192.0.2.100:80 -s wrr
        lbctl add-rs -t 192.0.2.100:80 -r 192.0.2.11 -w 3
        lbctl list --stats
        lbctl save > lbd.yaml
      """,
    version: Build.text(of: "lbctl", dataPlanes: ["userspace", "kernel"]),
    subcommands: [
      AddService.self, EditService.self, DeleteService.self, AddServer.self, EditServer.self, DeleteServer.self,
      DrainServer.self, AddCheck.self, DeleteCheck.self, Checks.self, HealthCommand.self, AddDiscovery.self,
      DeleteDiscovery.self, Discoveries.self, List.self, Zero.self,
      Flush.self, TimeoutsCommand.self, SetCommand.self, GetCommand.self,
      Save.self, Restore.self, Apply.self, Diff.self, Reload.self, CapabilitiesCommand.self, Neighbors.self, VIPs.self,
      Workers.self, Verdicts.self, Capture.self,
      Mark.self, Doctor.self, Takeover.self, Release.self, RealServerCommand.self, Migrate.self, Bench.self,
      WithIPVS.self,
    ])

  /// They stand here for the help, the manual and the completions: `CommandWords` moves them to the command.
  @OptionGroup(title: "Before or after any command") var anywhere: ListingOptions

  static let commandNames = configuration.subcommands.flatMap { $0.names }
}
