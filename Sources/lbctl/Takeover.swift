import ArgumentParser
import Control
import LVS

struct Takeover: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "takeover", abstract: "Takes VIPs at once, whoever has them, and announces them.",
    discussion: """
      Without a VIP: all, and those that services come to need. An lbd that was started with --standby waits for it.

      Examples:
        lbctl takeover
        lbctl takeover 192.0.2.100
      """)

  @OptionGroup var vips: VIPArguments
  @OptionGroup var options: ListingOptions

  func run() async throws {
    try options.show(try await options.lbd.call(API.takeOver, NamedVIPs(vips.vips)), table: VIPs.table)
  }
}

struct Release: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "release", abstract: "Gives VIPs up until 'takeover'; what still arrives for them is forwarded.",
    discussion: "Without a VIP: all, and those that services come to need.")

  @OptionGroup var vips: VIPArguments
  @OptionGroup var options: ListingOptions

  func run() async throws {
    try options.show(try await options.lbd.call(API.release, NamedVIPs(vips.vips)), table: VIPs.table)
  }
}

struct VIPArguments: ParsableArguments {
  @Argument(
    help: ArgumentHelp("Which VIPs; without one, all.", valueName: "vip"),
    completion: .vips, transform: { try text($0, as: IPAddress.self) })
  var vips: [IPAddress] = []
}
