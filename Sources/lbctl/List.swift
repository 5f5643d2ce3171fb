import ArgumentParser
import Control
import Foundation
import LVS
import Streams

struct List: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Shows services and real servers, or connections, as ipvsadm -Ln does.",
    discussion: """
      With --json, connections come as one object a line.

      Examples:
        lbctl list
        lbctl list -t 192.0.2.100:80 --stats
        lbctl list --connections --client 198.51.100.0/24 --state ESTABLISHED
      """)

  enum Layout: EnumerableFlag {
    case stats, rate, thresholds, persistentConn, connections, total

    static func name(for value: Layout) -> NameSpecification {
      value == .connections ? [.customShort("c"), .long] : .long
    }

    static func help(for value: Layout) -> ArgumentHelp? {
      switch value {
      case .stats: "Connections, packets and bytes since the start or the last zero."
      case .rate: "The same per second."
      case .thresholds: "The servers' connection limits."
      case .persistentConn: "Persistence templates."
      case .connections: "The connection table."
      case .total: "All services in sum, removed ones included: counts, and the same per second."
      }
    }
  }

  @OptionGroup var service: ServiceOptions
  @Flag var layout: Layout?

  @Option(
    help: ArgumentHelp("Only connections of these clients.", valueName: "address[/length]"),
    transform: { try text($0, as: Prefix.self) })
  var client: Prefix?

  @Option(
    help: ArgumentHelp("Only connections to this real server.", valueName: "address"),
    completion: .serverAddresses, transform: { try text($0, as: IPAddress.self) })
  var server: IPAddress?

  @Option(
    help: ArgumentHelp("Only connections in this state, such as ESTABLISHED.", valueName: "state"),
    completion: .list(ConnectionFilter.states))
  var state: String?

  @OptionGroup var options: ListingOptions

  func validate() throws {
    if layout == .total, service.named != nil { throw ValidationError("--total is of all services") }
    if layout != .connections, client != nil || server != nil || state != nil {
      throw ValidationError("--client, --server and --state go with --connections")
    }
    if let state, !ConnectionFilter.states.contains(state.uppercased()) {
      let states = ConnectionFilter.states.joined(separator: ", ")
      throw ValidationError("there is no state '\(state)' (there are \(states))")
    }
  }

  func run() async throws {
    if layout == .connections { return try await listConnections() }
    if layout == .total { return try options.show(try await options.director.call(API.total), table: Self.table) }
    let key = service.named
    let services = try await options.director.services(key)
    try options.show(services) { listing.text($0, isWhole: key == nil) }
    if !options.json { try await warn() }
  }

  /// What is known to break direct routing stands beside the listing, which is ipvsadm's to the letter.
  private func warn() async throws {
    let findings = (try? await options.lbd.call(API.findings)) ?? []
    guard !findings.isEmpty else { return }
    var told: Set<String> = []
    // A server's fault shows in each of its services.
    let lines = findings.map(\.seen).filter { told.insert($0).inserted }.map { "  \($0)\n" }.joined()
    Output.error.say("lbctl: something is wrong (lbctl doctor has the fix):\n\(lines)")
  }

  private var listing: ServiceListing {
    switch layout {
    case nil, .connections, .total: .plain
    case .stats: .statistics
    case .rate: .rates
    case .thresholds: .thresholds
    case .persistentConn: .persistentConnections
    }
  }

  private static func table(_ total: Traffic) -> String {
    let (counts, rates) = (total.statistics, total.rates)
    return columns(
      ["", "CONNECTIONS", "PACKETS IN", "BYTES IN"],
      [
        ["total", "\(counts.connections)", "\(counts.packets)", "\(counts.bytes)"],
        ["per second", "\(rates.connections)", "\(rates.packets)", "\(rates.bytes)"],
      ])
  }

  private func listConnections() async throws {
    if let key = service.named { _ = try await options.director.service(key) }
    let filter = ConnectionFilter(client: client, service: service.named, server: server, state: state?.uppercased())
    if options.json {
      return try await options.director.connectionLines(filter) { try write($0) }
    }
    var title = ConnectionListing.title
    try await options.director.connections(filter) { rows in
      try write(title)
      try write(ConnectionListing.rows(rows))
      title = ""
    }
    try write(title)
  }
}
