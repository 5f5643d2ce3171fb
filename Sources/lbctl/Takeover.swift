import ArgumentParser
import Control
import LVS

struct Takeover: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "takeover", abstract: "Takes VIPs at once, whoever has them, and announces them.",
    discussion: """
      Without a VIP: all, and those that services come to need. An lbd that was started with --standby waits for it.
      Others are asked whether they have let go; one that has not is named.

      Exit status 0: all VIPs are owned, and nobody else answers for them. 1: refused, or somebody still does. 2: the
      command line is wrong.

      Examples:
        lbctl takeover
        lbctl takeover 192.0.2.100
      """)

  @OptionGroup var vips: VIPArguments
  @OptionGroup var options: ListingOptions

  func run() async throws {
    let outcome = try await options.lbd.call(API.takeOver, NamedVIPs(vips.vips))
    try options.show(outcome, table: VIPs.table)
    let named = outcome.filter { vips.vips.isEmpty || vips.vips.contains($0.address) }
    if let refusal = named.lazy.compactMap(Self.refusal).first { throw PlaneError.unavailable(refusal) }
  }

  /// Why a VIP is not this director's alone; nil where it is.
  static func refusal(_ vip: VIPStatus) -> String? {
    switch (vip.state, vip.otherOwner) {
    case (.owned, nil): nil
    case (.owned, let other?):
      "\(other) still answers for \(vip.address): take it off that host (lbctl doctor says how)"
    case (_, let other?):
      "\(other) does not let go of \(vip.address): name this director there with --peer, or lbctl release it there"
    case (_, nil): "\(vip.address) cannot be served for now (lbctl doctor says why)"
    }
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
