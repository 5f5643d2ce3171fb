import ArgumentParser
import Control
import LVS

struct Doctor: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Looks for what breaks direct routing, and says how to put it right.",
    discussion: """
      It asks on the wire who has each VIP, sends a packet for each service straight to each real server, and looks at
      this host's settings and at what arrives that is not for it. It takes two seconds.

      Exit status 0: nothing found; 1: something was found.
      """)

  @OptionGroup var options: ListingOptions

  func run() async throws {
    let findings = try await options.lbd.call(API.examine)
    try options.show(findings, table: Self.text)
    if !findings.isEmpty { throw ExitCode(1) }
  }

  static func text(_ findings: [Finding]) -> String {
    if findings.isEmpty { return "nothing found\n" }
    return findings.enumerated().map { index, finding in
      "\(index + 1). \(finding.seen)\n   why: \(finding.why)\n   fix: \(finding.fix)\n"
    }.joined(separator: "\n")
  }
}
