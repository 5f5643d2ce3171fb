import ArgumentParser
import Control
import LVS

struct Zero: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "zero", abstract: "Sets the counters of a service, or of all, to zero.",
    discussion: """
      Example:
        lbctl zero -t 192.0.2.100:80
      """)

  @OptionGroup var service: ServiceOptions
  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    _ = try await daemon.director.call(API.zero, ServiceChoice(service.named))
  }
}

struct Verdicts: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verdicts", abstract: "Counts what became of the frames, with every reason for a drop.",
    aliases: ["drops"])

  @OptionGroup var options: ListingOptions

  func run() async throws {
    try options.show(try await options.lbd.call(API.verdicts)) { counts in
      let verdicts = [
        ["forwarded", "", String(counts.forwarded)], ["answered", "", String(counts.answered)],
        ["passed", "", String(counts.passed)], ["held", "", String(counts.held)],
      ]
      let drops = counts.dropped.sorted { $0.key < $1.key }.map { ["dropped", $0.key, String($0.value)] }
      return columns(["VERDICT", "REASON", "FRAMES"], verdicts + drops)
    }
  }
}
