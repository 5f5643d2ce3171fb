import ArgumentParser
import Control
import Foundation
import LVS

struct WithIPVS: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "with-ipvs", abstract: "Runs a program of others, whose IPVS is then lbd's.",
    discussion: """
      For programs that steer the kernel's IPVS by themselves. The library libipvs-lbd.so is loaded into the program and
      into those that it starts; it is looked for where LBD_PRELOAD names it, else beside lbctl and in
      ../lib/lvs-director.

      Examples:
        lbctl with-ipvs keepalived -n -f /etc/keepalived/keepalived.conf
        lbctl with-ipvs ipvsadm -Ln --stats
        lbctl --socket /run/other.sock with-ipvs ipvsadm -Ln
      """)

  @OptionGroup var daemon: DaemonOptions

  /// `CommandWords` sees to it that the program's options are none of ours.
  @Argument(help: ArgumentHelp("The program and its own words.", valueName: "program"), completion: .programs)
  var words: [String] = []

  /// Becomes the program. Where no lbd answers it is not started: it would find no IPVS, and load the kernel's.
  func run() async throws {
    guard let program = words.first else { throw ValidationError("name the program to run") }
    let library = try Preload.library()
    _ = try await daemon.lbd.call(API.timeouts)
    let before = environment("LD_PRELOAD").map { ":" + $0 } ?? ""
    let error = become(
      program, words,
      environment: ["LD_PRELOAD": library + before, Preload.socket: ControlSocket(daemon.socket).ipvs.path])
    throw PlaneError.unavailable("\(program) cannot be run: \(errorText(error))")
  }
}

/// The library that gives a program lbd's IPVS.
enum Preload {
  /// The variable that tells the library where lbd answers.
  static let socket = "LBD_IPVS_SOCKET"
  private static let name = "libipvs-lbd.so"

  /// Where it lies.
  static func library() throws -> String {
    if let named = environment("LBD_PRELOAD"), !named.isEmpty { return try checked(named) }
    let home = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    let places = ["", "../lib/lvs-director"].map { home.appending(path: $0).appending(path: name).standardized.path }
    guard let place = places.first(where: FileManager.default.fileExists) else {
      throw PlaneError.unavailable("\(name) is at none of \(places.joined(separator: ", ")): name it with LBD_PRELOAD")
    }
    return try checked(place)
  }

  /// The system passes over a library that is not there, and the program would steer the kernel.
  private static func checked(_ path: String) throws -> String {
    guard (try? FileHandle(forReadingFrom: URL(filePath: path)).read(upToCount: 4)) == Data("\u{7f}ELF".utf8) else {
      throw PlaneError.unavailable("\(path) is no library that can be read: name \(name) with LBD_PRELOAD")
    }
    guard !path.contains(where: { " :".contains($0) }) else {
      throw PlaneError.unavailable("\(path) cannot be preloaded: its path has a blank or a colon")
    }
    return path
  }
}
