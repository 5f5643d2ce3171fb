import ArgumentParser
import Control
import LVS
import Streams

struct Capture: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "capture", abstract: "Writes the frames that lbd handles, with their verdicts, to a pcap file.",
    discussion: """
      It goes on until it is interrupted.

      Examples:
        lbctl capture -w lbd.pcap
        lbctl capture --filter 'tcp port 80' -w - | tcpdump -n -r -
      """)

  @Option(help: ArgumentHelp("Only the frames that a libpcap expression selects.", valueName: "expression"))
  var filter: String?

  @Option(
    name: .shortAndLong, help: ArgumentHelp("The pcap file; '-' is standard output.", valueName: "file"),
    completion: .file())
  var write: String

  @OptionGroup var daemon: DaemonOptions

  /// The file is made when the first bytes come, so that a refused capture leaves none.
  func run() async throws {
    var output: Output?
    try await daemon.lbd.capture(filter: filter) { bytes in
      let file = try output ?? (write == "-" ? .standard : Output(file: write))
      output = file
      try lbctl.write(bytes, to: file)
    }
  }
}
