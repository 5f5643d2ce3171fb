import Control
import IPVSMessages
import KernelIPVS
import LVS
import Streams

/// ipvsadm 1.31 as a program: its command line, its output, its exit status, over either plane.
struct IpvsadmProgram {
  /// What the program was called by; it stands in the help and in some errors.
  let name: String
  var plane: IpvsadmPlane
  /// Whether a restore passes over lines that begin with `#`; ipvsadm by itself trips over them.
  let skipsComments: Bool

  /// Runs one command line, the words after the program's name.
  ///
  /// - Returns: the exit status.
  static func run(_ words: [String], name: String = "ipvsadm", skipsComments: Bool = false) -> Int32 {
    let choice = PlaneChoice(words)
    do {
      if let ending = helpAlone(choice.words, name) { throw ending }
      let plane = try IpvsadmPlane.open(choice)
      let program = IpvsadmProgram(name: name, plane: plane, skipsComments: skipsComments)
      return try program.run(choice.words, isRestoring: false)
    } catch let ending as IpvsadmExit {
      return Program.end(ending.status, "\(ending.text)\n")
    } catch {
      Output.error.say("\(error)\n")
      return 255
    }
  }

  /// Help needs no plane.
  private static func helpAlone(_ words: [String], _ name: String) -> IpvsadmExit? {
    guard let first = words.first, ["-h", "--help", "-v", "--version"].contains(first) else { return nil }
    do throws(IpvsadmExit) { _ = try CommandParser.parse(words, program: name) } catch { return error }
    return nil
  }

  /// - Parameter isRestoring: whether the words come from standard input, where a second `-R` would go in circles.
  func run(_ words: [String], isRestoring: Bool) throws -> Int32 {
    guard !words.isEmpty else {
      try IpvsadmListing(plane: plane, options: []).printAll()
      return 0
    }
    return try run(try CommandParser.parse(words, program: name), isRestoring: isRestoring)
  }

  func run(_ command: IpvsadmCommand, isRestoring: Bool) throws -> Int32 {
    switch command.verb {
    case .list: return try list(command)
    case .save: return try list(command)
    case .restore:
      guard !isRestoring else { throw IpvsadmExit.tryHelp(name) }
      return try IpvsadmRestore.run(self)
    default: break
    }
    do {
      try carryOut(command)
      return 0
    } catch {
      return Self.refuse(error, command.verb)
    }
  }

  /// Tells why the plane refused a command.
  ///
  /// - Returns: the status that goes with it.
  static func refuse(_ error: any Error, _ verb: IpvsadmVerb) -> Int32 {
    Output.error.say("\(KernelWords.text(error, verb))\n")
    return 255
  }

  private func carryOut(_ command: IpvsadmCommand) throws {
    switch command.verb {
    case .set: _ = try plane.call(API.setTimeouts, command.timeouts)
    case .startDaemon: try plane.start(command.daemon)
    case .stopDaemon: try plane.stop(command.daemon)
    case .flush: _ = try plane.call(API.flush)
    case .zero: _ = try plane.call(API.zero, ServiceChoice(command.key.key))
    case .list, .save, .restore: break
    default: if let change = command.change, let error = try plane.attempt([change])[0] { throw error }
    }
  }

  /// A listing that fails ends the program with 1, within a restore too.
  private func list(_ command: IpvsadmCommand) throws -> Int32 {
    do {
      try IpvsadmListing(plane: plane, options: command.options).print(command)
      return 0
    } catch {
      throw IpvsadmExit(status: 1, text: KernelWords.text(error, command.verb))
    }
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
