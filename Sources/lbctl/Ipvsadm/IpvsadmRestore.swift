import Control
import LVS
import Streams

/// `ipvsadm -R`: carries out the lines of standard input over the one plane. Changes that come together are handed over
/// together, and each is told of as if it came alone.
struct IpvsadmRestore {
  private let program: IpvsadmProgram
  private var status: Int32 = 0
  private var waiting: [(change: Change, verb: IpvsadmVerb)] = []

  /// - Returns: the status of the last line, as ipvsadm does.
  static func run(_ program: IpvsadmProgram) throws -> Int32 {
    var program = program
    program.plane = try program.plane.connected()
    var restore = IpvsadmRestore(program: program)
    var input = InputLines()
    while let lines = input.next() {
      for line in lines { try restore.take(line) }
      try restore.carryOut()
    }
    return restore.status
  }

  private init(program: IpvsadmProgram) {
    self.program = program
  }

  private mutating func take(_ line: String) throws {
    if program.skipsComments, line.hasPrefix("#") { return }
    let words = line.split { " \t\r".contains($0) }.map(String.init).filter { $0 != "ipvsadm" }
    if words.isEmpty { return }
    let command: IpvsadmCommand
    do throws(IpvsadmExit) {
      command = try CommandParser.parse(words, program: program.name)
    } catch {
      try carryOut()
      // A line that popt cannot read ends alone; every other mistake ends the restoring too.
      guard error.isUnreadable else { throw error }
      Output.error.say("\(error.text)\n")
      status = error.status
      return
    }
    if let change = command.change {
      waiting.append((change, command.verb))
    } else {
      try carryOut()
      status = try program.run(command, isRestoring: true)
    }
  }

  /// Carries out the changes that wait.
  private mutating func carryOut() throws {
    guard !waiting.isEmpty else { return }
    let refusals = try program.plane.attempt(waiting.map(\.change))
    for (line, refusal) in zip(waiting, refusals) {
      status = refusal.map { IpvsadmProgram.refuse($0, line.verb) } ?? 0
    }
    waiting = []
  }
}
