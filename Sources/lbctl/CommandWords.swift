import ArgumentParser

/// The words of a command line, made ready for a parser that knows neither an option whose value may be left out nor
/// one command's options before the command's name.
struct CommandWords {
  /// ipvsadm's value for `-p` without a number.
  private static let defaultPersistence = "360"

  let words: [String]

  init(_ words: some Sequence<String>) {
    self.words = Array(words)
  }

  /// `lbctl add-rs --help`, or `lbctl --help` where no command was named.
  var helpCommand: String {
    (["lbctl"] + words.filter(Lbctl.commandNames.contains).prefix(1) + ["--help"]).joined(separator: " ")
  }

  /// What stood before the command now stands behind its name, and every `-p` has its number. A negative number is a
  /// value, to be refused as that: to the parser it would be an option. So would be those of a program that is run.
  var prepared: [String] {
    let command = words[globalCount...]
    var result = Self.withPersistence(command)
    if ["set", "timeouts"].contains(command.first), let negative = result.firstIndex(where: Self.isNegative) {
      result.insert("--", at: negative)
    }
    if command.first == WithIPVS.configuration.commandName {
      let program = 1 + Self.globalCount(command.dropFirst())
      if program < result.count, !result[program].hasPrefix("-") { result.insert("--", at: program) }
    }
    var choice = Array(words[..<globalCount])
    if command.first == AddCheck.configuration.commandName {
      (choice, result) = (Self.patient(words[..<globalCount]), Self.withAttemptTimeout(result))
    }
    result.insert(contentsOf: choice, at: nameLength(command))
    return result
  }

  /// The words before ipvsadm's own, where the command is `ipvsadm`: which plane, which socket.
  var ipvsadm: [String]? {
    let command = words[globalCount...]
    if command.elementsEqual(["help", "ipvsadm"]) { return ["--help"] }
    guard command.first == "ipvsadm" else { return nil }
    return Self.patient(words[..<globalCount]).flatMap { $0 == "--kernel" ? ["--plane", "kernel"] : [$0] }
      + command.dropFirst()
  }

  /// What the timeout of a check is called behind the scenes.
  static let attemptTimeout = "attempt-timeout"

  /// A check's own --timeout, up to the command that it runs.
  private static func withAttemptTimeout(_ words: [String]) -> [String] {
    let end = words.firstIndex(of: "--") ?? words.endIndex
    return words[..<end].map { word in
      word == "--timeout" || word.hasPrefix("--timeout=") ? "--\(attemptTimeout)" + word.dropFirst(9) : word
    } + words[end...]
  }

  /// For commands that have a --timeout of their own.
  private static func patient(_ choice: ArraySlice<String>) -> [String] {
    choice.map { $0.replacing("--timeout", with: "--patience") }
  }

  /// How many words a command's name has: `list` one, `mark add` two.
  private func nameLength(_ command: ArraySlice<String>) -> Int {
    let isGroup = Lbctl.configuration.subcommands.contains {
      $0.configuration.commandName == command.first && !$0.configuration.subcommands.isEmpty
    }
    let isNamed = command.dropFirst().first.map { !$0.hasPrefix("-") } ?? false
    return min(command.count, isGroup && isNamed ? 2 : 1)
  }

  private static func isNegative(_ word: String) -> Bool {
    word.hasPrefix("-") && word.utf8.count > 1 && word.utf8.dropFirst().allSatisfy { (48...57).contains($0) }
  }

  /// No option may stand twice, where the parser would take the last: `-t A … -t B` is a slip, and A or B is wrong.
  func checkRepetition() throws {
    var seen: Set<String> = []
    let own = prepared.prefix { $0 != "--" }
    for word in own where word.hasPrefix("-") && word != "-" && !Self.isNegative(word) {
      let option = String(word.prefix { $0 != "=" })
      guard seen.insert(option).inserted else { throw ValidationError("\(option) stands there twice") }
    }
  }

  /// Names a command that there is not, and the one that was likely meant; the parser would complain of its options
  /// instead, or show the whole help and call that success.
  func checkCommand() throws {
    var names = prepared.prefix { !$0.hasPrefix("-") }
    let isHelp = names.first == "help"
    if isHelp { names.removeFirst() }
    var (group, path): (any ParsableCommand.Type, String) = (Lbctl.self, "")
    while let name = names.popFirst() {
      let commands = group.configuration.subcommands
      // Then they are arguments of a command, of which `help` takes none.
      if commands.isEmpty, !isHelp { return }
      path += path.isEmpty ? name : " \(name)"
      guard let next = commands.first(where: { $0.names.contains(name) }) else {
        let others = group == Lbctl.self ? ["help", "ipvsadm"] : []
        let near = (commands.flatMap { $0.names } + others).nearest(to: name)
        throw ValidationError("there is no command '\(path)'" + (near.map { ": is '\($0)' meant?" } ?? ""))
      }
      group = next
    }
  }

  private var globalCount: Int { Self.globalCount(words[...]) }

  /// How many words of `--socket PATH`, `--timeout SECONDS`, `--kernel` and `--json` the line begins with.
  private static func globalCount(_ line: ArraySlice<String>) -> Int {
    var rest = line
    while let word = rest.first {
      if ["--socket", "--timeout"].contains(word), rest.count > 1 {
        rest = rest.dropFirst(2)
      } else if ["--json", "--kernel"].contains(word) || word.hasPrefix("--socket=") || word.hasPrefix("--timeout=") {
        rest = rest.dropFirst()
      } else {
        break
      }
    }
    return line.count - rest.count
  }

  private static func withPersistence(_ words: ArraySlice<String>) -> [String] {
    guard let command = words.first, ["add-service", "edit-service"].contains(command) else { return Array(words) }
    return words.indices.flatMap { index in
      let next = words.index(after: index)
      let hasNumber = next < words.endIndex && words[next].utf8.allSatisfy { (48...57).contains($0) }
      return ["-p", "--persistent"].contains(words[index]) && !hasNumber
        ? [words[index], defaultPersistence] : [words[index]]
    }
  }
}

extension ParsableCommand {
  /// All that a command may be called by.
  static var names: [String] { [_commandName] + configuration.aliases }
}
