import Control
import Foundation
import KernelIPVS
import LVS

/// ipvsadm 1.31 as a program: its command line, its output, its exit status, over either plane.
struct IpvsadmProgram {
  /// What the program was called by; it stands in the help and in some errors.
  let name: String
  let plane: IpvsadmPlane
  /// Whether a restore passes over lines that begin with `#`; ipvsadm by itself trips over them.
  let skipsComments: Bool

  /// Runs one command line, the words after the program's name.
  ///
  /// - Returns: the exit status.
  static func run(_ words: [String], name: String = "ipvsadm", skipsComments: Bool = false) async -> Int32 {
    let choice = PlaneChoice(words)
    do {
      if let ending = helpAlone(choice.words, name) { throw ending }
      let plane = try await IpvsadmPlane.open(choice, ProcessInfo.processInfo.environment)
      let program = IpvsadmProgram(name: name, plane: plane, skipsComments: skipsComments)
      return try await program.run(choice.words, isRestoring: false)
    } catch let ending as IpvsadmExit {
      say(ending.text, to: ending.status == 0 ? .standardOutput : .standardError)
      return ending.status
    } catch {
      say("\(error)", to: .standardError)
      return 255
    }
  }

  /// Help needs no plane.
  private static func helpAlone(_ words: [String], _ name: String) -> IpvsadmExit? {
    guard let first = words.first, ["-h", "--help", "-v", "--version"].contains(first) else { return nil }
    do throws(IpvsadmExit) { _ = try CommandParser.parse(words, program: name) } catch { return error }
    return nil
  }

  private static func say(_ text: String, to file: FileHandle) {
    file.write(Data("\(text)\n".utf8))
  }

  /// - Parameter isRestoring: whether the words come from standard input, where a second `-R` would go in circles.
  func run(_ words: [String], isRestoring: Bool) async throws -> Int32 {
    guard !words.isEmpty else {
      try write(await IpvsadmListing(plane: plane, options: []).all())
      return 0
    }
    let command: IpvsadmCommand
    do throws(IpvsadmExit) {
      command = try CommandParser.parse(words, program: name)
    } catch {
      // A line that popt cannot read ends alone; every other mistake ends the restoring too.
      guard isRestoring, error.isUnreadable else { throw error }
      Self.say(error.text, to: .standardError)
      return error.status
    }
    switch command.verb {
    case .list: return try await list(command)
    case .save: return try await list(command)
    case .restore:
      guard !isRestoring else { throw IpvsadmExit.tryHelp(name) }
      return try await restore()
    default: break
    }
    do {
      try await carryOut(command)
      return 0
    } catch {
      Self.say(KernelWords.text(error, command.verb), to: .standardError)
      return 255
    }
  }

  private func carryOut(_ command: IpvsadmCommand) async throws {
    switch command.verb {
    case .set: try await plane.set(command.timeouts)
    case .startDaemon: try await plane.start(command.daemon)
    case .stopDaemon: try await plane.stop(command.daemon)
    case .flush: try await plane.flush()
    case .zero: try await plane.zero(command.key.key)
    case .list, .save, .restore: break
    default: if let change = command.change { try await plane.carryOut(change) }
    }
  }

  /// ipvsadm ends a listing that fails with 1.
  private func list(_ command: IpvsadmCommand) async throws -> Int32 {
    do {
      try await IpvsadmListing(plane: plane, options: command.options).print(command)
      return 0
    } catch {
      Self.say(KernelWords.text(error, command.verb), to: .standardError)
      return 1
    }
  }

  /// Carries out the lines of standard input over the one plane.
  ///
  /// - Returns: the status of the last one, as ipvsadm does.
  private func restore() async throws -> Int32 {
    var status: Int32 = 0
    while let line = readLine() {
      if skipsComments, line.hasPrefix("#") { continue }
      let words = line.split(whereSeparator: \.isWhitespace).map(String.init).filter { $0 != "ipvsadm" }
      if !words.isEmpty { status = try await run(words, isRestoring: true) }
    }
    return status
  }
}

extension IpvsadmCommand {
  /// What the command changes in the table.
  var change: Change? {
    guard let key = key.key else { return nil }
    return switch verb {
    case .addService: service.map { .addService($0, force: false) }
    case .editService: service.map { .updateService($0) }
    case .deleteService: .removeService(key)
    case .addServer: realServer.map { .addServer($0, to: key) }
    case .editServer: realServer.map { .updateServer($0, of: key) }
    case .deleteServer: realServer.map { .removeServer($0.endpoint, from: key) }
    default: nil
    }
  }
}
