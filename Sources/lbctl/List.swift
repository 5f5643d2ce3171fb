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
        lbctl list --health
        lbctl list --connections --client 198.51.100.0/24 --state ESTABLISHED
      """)

  enum Layout: EnumerableFlag {
    case stats, rate, thresholds, persistentConn, connections, total, health

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
      case .health: "What the checks say of the servers: state, since when, latency, last result."
      case .total: "All services in sum, removed ones included: counts, and the same per second."
      }
    }
  }

  @OptionGroup var service: ServiceOptions
  @Flag var layouts: [Layout] = []

  @Flag(name: .shortAndLong, help: "As ipvsadm has it; what lbctl lists is in numbers with it and without it.")
  var numeric = false

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

  private var layout: Layout? { layouts.first }

  func validate() throws {
    let asked = Set(layouts)
    guard asked.count < 2 || asked == [.stats, .rate] else {
      throw ValidationError("one table at a time, but --stats and --rate go together")
    }
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
    if layout == .health {
      let health = try await options.director.call(API.health, ServiceChoice(service.named))
      return try options.show(health, table: HealthListing.text)
    }
    if layout == .total { return try options.show(try await options.director.call(API.total), table: Self.table) }
    let services = try await self.services
    let listings = layouts.isEmpty ? [.plain] : Layout.allCases.filter(layouts.contains).map(Self.listing)
    try options.show(services) { services in
      listings.map { $0.text(services, isWhole: service.named == nil) }.joined(separator: "\n")
    }
    if !options.json { try await warn() }
  }

  /// Those that are named: by a VIP alone, those of all its ports.
  private var services: [ServiceStatus] {
    get async throws {
      guard case .endpoint(let transport, let named) = service.named, named.port == 0 else {
        return try await options.director.services(service.named)
      }
      let ofVIP = try await options.director.services().filter { status in
        guard case .endpoint(transport, let virtual) = status.service.key else { return false }
        return virtual.address == named.address
      }
      guard !ofVIP.isEmpty else { throw PlaneError.noSuchService(.endpoint(transport, named)) }
      return ofVIP
    }
  }

  /// What is known to break direct routing stands beside the listing, which is ipvsadm's to the letter.
  private func warn() async throws {
    // The listing that was asked for is printed; what is wrong with lbd otherwise is for other commands to say.
    let findings = (try? await options.lbd.call(API.findings)) ?? []
    guard !findings.isEmpty else { return }
    var told: Set<String> = []
    // A server's fault shows in each of its services.
    let lines = findings.map(\.seen).filter { told.insert($0).inserted }.map { "  \($0)\n" }.joined()
    Output.error.say("lbctl: something is wrong (lbctl doctor has the fix):\n\(lines)")
  }

  private static func listing(_ layout: Layout) -> ServiceListing {
    switch layout {
    case .connections, .total, .health: .plain
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
    let keys = service.named == nil ? [nil] : try await services.map(\.service.key)
    var title = options.json ? "" : ConnectionListing.title
    for key in keys {
      let filter = ConnectionFilter(client: client, service: key, server: server, state: state?.uppercased())
      if options.json {
        try await options.director.connectionLines(filter) { try write($0) }
        continue
      }
      try await options.director.connections(filter) { rows in
        try write(title)
        try write(ConnectionListing.rows(rows))
        title = ""
      }
    }
    try write(title)
  }
}
