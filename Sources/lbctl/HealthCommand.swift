import ArgumentParser
import Control
import LVS

struct HealthCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "health", abstract: "Tells whether clients are served: for whoever announces a VIP.",
    discussion: """
      They are where each VIP is ours and each service has a server to send them to, a fallback server included. The
      servers one by one shows 'lbctl list --health'.

      Exit status 0: they are; 1: they are not, or lbd does not answer.

      Examples:
        lbctl health
        lbctl health --vip 192.0.2.100
      """)

  @Option(
    help: ArgumentHelp("Only the services of this VIP.", valueName: "vip"), completion: .vips,
    transform: { try text($0, as: IPAddress.self) })
  var vip: IPAddress?

  @OptionGroup var options: ListingOptions

  func run() async throws {
    let serving = try await options.lbd.call(API.serving, VIPChoice(vip))
    try options.show(serving) { $0.troubles.isEmpty ? "clients are served\n" : $0.troubles.map { "\($0)\n" }.joined() }
    if !serving.troubles.isEmpty { throw ExitCode(1) }
  }
}
