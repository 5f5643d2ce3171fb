import ArgumentParser
import Control
import Foundation
import LVS

/// Whom to speak to.
struct AddresseeOptions: ParsableArguments {
  /// Of every face of the program.
  static let standardSocket = environment("LBCTL_SOCKET") ?? ControlSocket.standardPath

  /// Seconds that may be waited for an answer.
  static let patience = 0...86_400

  @Option(help: "The socket of the lbd to speak to; LBCTL_SOCKET names another default.", completion: .file())
  var socket = Self.standardSocket

  @Flag(help: "Steer the kernel's own IPVS, without lbd.")
  var kernel = false

  /// For what only lbd can do.
  func lbd(patience: Int) throws -> ControlClient {
    if kernel { throw ValidationError("--kernel: only lbd has this; leave --kernel out to ask it") }
    return connection(patience)
  }

  /// For what lbd and the kernel can do alike.
  func director(patience: Int) async throws -> any DirectorClient {
    kernel ? try await KernelClient() : connection(patience)
  }

  private func connection(_ patience: Int) -> ControlClient { ControlClient(ControlSocket(socket), patience: patience) }
}

struct DaemonOptions: ParsableArguments {
  static let standardSocket = AddresseeOptions.standardSocket
  static let patience = AddresseeOptions.patience

  @OptionGroup private var addressee: AddresseeOptions

  @Option(help: ArgumentHelp("How long to wait for an lbd that is silent; 0: for ever.", valueName: "seconds"))
  var timeout = ControlClient.standardPatience

  var socket: String { addressee.socket }
  var kernel: Bool { addressee.kernel }

  var lbd: ControlClient { get throws { try addressee.lbd(patience: timeout) } }
  var director: any DirectorClient { get async throws { try await addressee.director(patience: timeout) } }

  func validate() throws {
    guard Self.patience.contains(timeout) else {
      throw ValidationError("--timeout \(timeout) is not in 0 to \(Self.patience.upperBound)")
    }
  }
}

/// The same for a command that has a --timeout of its own. Before the command it is --timeout all the same.
struct PatientDaemonOptions: ParsableArguments {
  @OptionGroup private var addressee: AddresseeOptions

  @Option(help: ArgumentHelp("How long to wait for an lbd that is silent; 0: for ever.", valueName: "seconds"))
  var patience = ControlClient.standardPatience

  var director: any DirectorClient { get async throws { try await addressee.director(patience: patience) } }

  func validate() throws {
    guard AddresseeOptions.patience.contains(patience) else {
      throw ValidationError("--patience \(patience) is not in 0 to \(AddresseeOptions.patience.upperBound)")
    }
  }
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
  try write(String(decoding: try JSON.encode(value, isPretty: true), as: UTF8.self) + "\n")
}

/// Turns what a setting's own check says into an error of the command line.
func checked(_ check: () throws(PlaneError) -> Void) throws {
  do throws(PlaneError) {
    try check()
  } catch {
    throw ValidationError(error.description)
  }
}
