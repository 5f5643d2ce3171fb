import LVS

/// `ipvsadm -R`: carries out the lines of standard input over the one plane. Changes that come together are handed over
/// together, and each is told of as if it came alone.
struct IpvsadmRestore {
  private let program: IpvsadmProgram
  private var status: Int32 = 0
  private var waiting: [(change: Change, verb: IpvsadmVerb)] = []

  /// - Returns: the status of the last line, as ipvsadm does.
  static func run(_ program: IpvsadmProgram) async throws -> Int32 {
    guard case .userspace(let client) = program.plane else { return try await lines(program) }
    return try await client.connected { client in
      var program = program
      program.plane = .userspace(client)
      return try await lines(program)
    }
  }

  private static func lines(_ program: IpvsadmProgram) async throws -> Int32 {
    var restore = IpvsadmRestore(program: program)
    var input = InputLines()
    while let lines = input.next() {
      for line in lines { try await restore.take(line) }
      try await restore.carryOut()
    }
    return restore.status
  }

  private init(program: IpvsadmProgram) {
    self.program = program
  }

  private mutating func take(_ line: String) async throws {
    if program.skipsComments, line.hasPrefix("#") { return }
    let words = line.split(whereSeparator: \.isWhitespace).map(String.init).filter { $0 != "ipvsadm" }
    if words.isEmpty { return }
    let command: IpvsadmCommand
    do throws(IpvsadmExit) {
      command = try CommandParser.parse(words, program: program.name)
    } catch {
      try await carryOut()
      // A line that popt cannot read ends alone; every other mistake ends the restoring too.
      guard error.isUnreadable else { throw error }
      IpvsadmProgram.say(error.text, to: .standardError)
      status = error.status
      return
    }
    if let change = command.change {
      waiting.append((change, command.verb))
    } else {
      try await carryOut()
      status = try await program.run(command, isRestoring: true)
    }
  }

  /// Carries out the changes that wait.
  private mutating func carryOut() async throws {
    guard !waiting.isEmpty else { return }
    let refusals = try await program.plane.attempt(waiting.map(\.change))
    for (line, refusal) in zip(waiting, refusals) {
      status = refusal.map { IpvsadmProgram.refuse($0, line.verb) } ?? 0
    }
    waiting = []
  }
}
