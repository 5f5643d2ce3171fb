import ArgumentParser
import Control
import Foundation
import Logging
import Streams

/// Exit status 0: stopped as asked; 1: cannot run; 2: the command line is wrong. Why is one line on standard error.
@main
enum Program {
  /// How long the end waits for a standard error that takes no more.
  private static let patience = DispatchTimeInterval.milliseconds(500)

  static func main() throws {
    Output.prepare()
    SignalService.ignore()
    DescriptorLimit.raise()
    let log = LineQueue(to: .error) { "lbd: \($0) log line\($0 == 1 ? " was" : "s were") lost\n" }
    LoggingSystem.bootstrap { StreamLogHandler(label: $0, stream: log) }
    let ending = try wait { await Ending() }
    if let line = ending.line { log.write("lbd: \(line)\n") }
    log.end(within: patience)
    exit(ending.status)
  }
}

/// How the program ends: with help, with one line that says what is wrong, or with nothing to say.
private struct Ending {
  var status: Int32 = 0
  var line: String?

  /// Runs to the end.
  init() async {
    do {
      var command = try Lbd.parseAsRoot()
      if var lbd = command as? any AsyncParsableCommand {
        try await lbd.run()
      } else {
        try command.run()
      }
    } catch {
      explain(error)
    }
  }

  private mutating func explain(_ error: any Error) {
    let message = Lbd.message(for: error).split(whereSeparator: \.isNewline).joined(separator: " ")
    switch Lbd.exitCode(for: error) {
    case .success: show(Lbd.fullMessage(for: error))
    case .validationFailure: (status, line) = (2, "\(message) (see lbd --help)")
    default: (status, line) = (1, message)
    }
  }

  private mutating func show(_ help: String) {
    do throws(OutputFailure) {
      try Output.standard.write("\(help)\n".utf8)
    } catch {
      if !error.isReaderGone { (status, line) = (1, error.description) }
    }
  }
}
