import ArgumentParser
import Control
import Foundation
import LVS

struct DaemonOptions: ParsableArguments {
  /// Of every face of the program.
  static let standardSocket = environment("LBCTL_SOCKET") ?? ControlSocket.standardPath

  /// Seconds that --timeout may be.
  static let patience = 0...86_400

  @Option(help: "The socket of the lbd to speak to; LBCTL_SOCKET names another default.", completion: .file())
  var socket = Self.standardSocket

  @Option(help: ArgumentHelp("How long to wait for an lbd that is silent; 0: for ever.", valueName: "seconds"))
  var timeout = ControlClient.standardPatience

  @Flag(help: "Steer the kernel's own IPVS, without lbd.")
  var kernel = false

  /// For what only lbd can do.
  var lbd: ControlClient {
    get throws {
      if kernel { throw ValidationError("--kernel: only lbd has this; leave --kernel out to ask it") }
      return connection
    }
  }

  private var connection: ControlClient { ControlClient(ControlSocket(socket), patience: timeout) }

  func validate() throws {
    guard Self.patience.contains(timeout) else {
      throw ValidationError("--timeout \(timeout) is not in 0 to \(Self.patience.upperBound)")
    }
  }

  /// For what lbd and the kernel can do alike.
  var director: any DirectorClient {
    get async throws { kernel ? try await KernelClient() : connection }
  }
}

/// The options that may stand before the command too.
struct AnywhereOptions: ParsableArguments {
  @OptionGroup var options: ListingOptions
}

/// How what is shown is written. A command with a flag of its own of that name would not get what stands before it.
struct FormOptions: ParsableArguments {
  @Flag(help: "Print JSON.")
  var json = false
}

/// The options of every command that lists something.
struct ListingOptions: ParsableArguments {
  @OptionGroup var daemon: DaemonOptions

  @OptionGroup var form: FormOptions

  var json: Bool { form.json }

  var lbd: ControlClient { get throws { try daemon.lbd } }
  var director: any DirectorClient { get async throws { try await daemon.director } }

  func show<Value: Encodable>(_ value: Value, table: (Value) -> String) throws {
    try lbctl.show(value, asJSON: json, table: table)
  }
}

/// Prints the value as JSON, or as the text that `table` makes of it.
func show<Value: Encodable>(_ value: Value, asJSON: Bool, table: (Value) -> String) throws {
  guard asJSON else { return try write(table(value)) }
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  try write(String(decoding: try encoder.encode(value), as: UTF8.self) + "\n")
}

/// Turns what a setting's own check says into an error of the command line.
func checked(_ check: () throws(PlaneError) -> Void) throws {
  do throws(PlaneError) {
    try check()
  } catch {
    throw ValidationError(error.description)
  }
}
