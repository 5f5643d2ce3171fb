import ArgumentParser
import Control
import LVS

struct CapabilitiesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "capabilities", abstract: "Shows what the data plane can do.",
    discussion: """
      A command that needs more is refused.

      Examples:
        lbctl capabilities
        lbctl --kernel capabilities
      """)

  @OptionGroup var options: ListingOptions

  func run() async throws {
    try options.show(try await options.director.call(API.capabilities)) { capabilities in
      [
        ("plane", [capabilities.plane.rawValue]), ("methods", capabilities.methods.map(\.rawValue)),
        ("features", capabilities.features.map(\.rawValue).sorted()),
        ("settings", capabilities.settings.map(\.name).sorted()),
      ].map { "\($0): \($1.joined(separator: " "))\n" }.joined()
    }
  }
}
