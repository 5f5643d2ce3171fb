import ArgumentParser
import Control
import Foundation
import LVS

struct DaemonOptions: ParsableArguments {
  @Option(help: "The socket of the lbd to speak to.")
  var socket = ControlSocket.standardPath

  var client: ControlClient { ControlClient(ControlSocket(socket)) }
}

/// The options of every command that lists something.
struct ListingOptions: ParsableArguments {
  @OptionGroup var daemon: DaemonOptions

  @Flag(help: "Print JSON.")
  var json = false

  var client: ControlClient { daemon.client }

  /// Prints the value as JSON, or as the text that `table` makes of it.
  func show<Value: Encodable>(_ value: Value, table: (Value) -> String) throws {
    guard json else { return write(table(value)) }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    write(String(decoding: try encoder.encode(value), as: UTF8.self) + "\n")
  }
}

/// Writes text to standard output as it is.
func write(_ text: String) {
  FileHandle.standardOutput.write(Data(text.utf8))
}

/// Turns what a setting's own check says into an error of the command line.
func checked(_ check: () throws(PlaneError) -> Void) throws {
  do throws(PlaneError) {
    try check()
  } catch {
    throw ValidationError(error.description)
  }
}
