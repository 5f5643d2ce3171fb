import ArgumentParser
import Foundation

/// Exit status 0: stopped as asked; 1: cannot run; 2: the command line is wrong. Why is one line on standard error.
@main
enum Program {
  static func main() async {
    do {
      var command = try Lbd.parseAsRoot()
      if var lbd = command as? any AsyncParsableCommand {
        try await lbd.run()
      } else {
        try command.run()
      }
    } catch {
      exit(report(error))
    }
  }

  private static func report(_ error: any Error) -> Int32 {
    let status = Lbd.exitCode(for: error)
    if status.isSuccess {
      print(Lbd.fullMessage(for: error))
      return 0
    }
    var line = Lbd.message(for: error).split(whereSeparator: \.isNewline).joined(separator: " ")
    if status == .validationFailure { line += " (see lbd --help)" }
    FileHandle.standardError.write(Data("lbd: \(line)\n".utf8))
    return status == .validationFailure ? 2 : 1
  }
}
