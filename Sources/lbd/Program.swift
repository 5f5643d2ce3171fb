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
    // Threads begin with the rights of the one that starts them, so that they are given up before there is another one.
    let (command, doubts) = confined()
    let log = LineQueue(to: .error) { "lbd: \($0) log line\($0 == 1 ? " was" : "s were") lost\n" }
    LoggingSystem.bootstrap { StreamLogHandler(label: $0, stream: log) }
    for doubt in doubts { log.write("lbd: \(doubt)\n") }
    let ending = try wait { await Ending(command) }
    if let line = ending.line { log.write("lbd: \(line)\n") }
    log.end(within: patience)
    exit(ending.status)
  }

  /// Reads the command line, and gives up the rights that it does not ask for.
  private static func confined() -> (Result<Lbd, any Error>, doubts: [String]) {
    do {
      guard let lbd = try Lbd.parseAsRoot() as? Lbd else { return (.failure(CleanExit.helpRequest()), []) }
      guard lbd.replaying.input == nil, lbd.control.checkConfig == nil else { return (.success(lbd), []) }
      if lbd.control.socketGroup == nil { _ = Lbd.broker }
      return (.success(lbd), try Confinement(options: lbd).enter())
    } catch {
      return (.failure(error), [])
    }
  }
}

/// How the program ends: with help, with one line that says what is wrong, or with nothing to say.
private struct Ending {
  var status: Int32 = 0
  var line: String?

  /// Runs to the end.
  init(_ command: Result<Lbd, any Error>) async {
    do {
      try await command.get().run()
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
