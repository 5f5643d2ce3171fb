import ArgumentParser
import Control
import LVS

extension DNSLookup.RecordType: ExpressibleByArgument {}

struct AddDiscovery: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add-discovery", abstract: "Has real servers of a service discovered, by a DNS name or from a file.",
    discussion: """
      A name is asked for again when its answer is no longer to be believed; a file is read when it changes, and has
      'IP[:PORT] [weight]' on each line. What cannot be had or read changes nothing: the servers that were found last stay.

      Servers that were added by hand stay as they are. One that is no longer found gets no new connections, and is
      removed when its connections have ended, or after --grace. A service has one discovery; an earlier one gives way.

      Examples:
        lbctl add-discovery -t 192.0.2.100:80 --dns web.example.lan
        lbctl add-discovery -t 192.0.2.100:80 --dns _http._tcp.example.lan --type srv --resolver 192.0.2.53
        lbctl add-discovery -t 192.0.2.100:80 --file /etc/lvs-director/web.servers --weight 10
      """)

  @OptionGroup var service: ServiceOptions
  @OptionGroup var settings: DiscoverySettings
  @OptionGroup var daemon: PatientDaemonOptions

  func run() async throws {
    let key = try service.key
    let discovery = try settings.discovery
    try checked { () throws(PlaneError) in try discovery.validate(in: key) }
    try await daemon.director.apply([.addDiscovery(discovery, to: key)])
  }
}

struct DeleteDiscovery: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "del-discovery", abstract: "Discovers real servers no more, and removes those that were found.",
    discussion: """
      Example:
        lbctl del-discovery -t 192.0.2.100:80
      """)

  @OptionGroup var service: ServiceOptions
  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    try await daemon.director.apply([.removeDiscovery(from: try service.key)])
  }
}

struct Discoveries: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "discoveries", abstract: "Shows where real servers are discovered, and which were.",
    discussion: "What is wrong with a source stands beside it; 'lbctl doctor' says how to look at it.")

  @OptionGroup var options: ListingOptions

  func run() async throws {
    try options.show(try await options.director.call(API.discoveries)) { DiscoveryListing.text($0) }
  }
}

/// Where servers are to be discovered. What is not named is as usual.
struct DiscoverySettings: ParsableArguments {
  @Option(help: ArgumentHelp("The name that is asked for, whole: no search list is gone through.", valueName: "name"))
  var dns: String?

  @Option(help: "dns: the records that are asked for (default: any, the addresses that the service can have).")
  var type: DNSLookup.RecordType?

  @Option(help: ArgumentHelp("dns: the servers' port (default: the service's).", valueName: "port"))
  var port: UInt16?

  @Option(
    help: ArgumentHelp("dns: who is asked (default: those in /etc/resolv.conf).", valueName: "ip[:port]"),
    transform: { try text($0, as: Resolver.self) })
  var resolver: Resolver?

  @Option(
    help: ArgumentHelp("dns: how long an answer is believed at least (default: 5s).", valueName: "5s"),
    transform: { try text($0, as: Period.self) })
  var minTtl: Period?

  @Option(
    help: ArgumentHelp("dns: how long an answer is believed at most (default: 5m).", valueName: "5m"),
    transform: { try text($0, as: Period.self) })
  var maxTtl: Period?

  @Option(
    help: ArgumentHelp("The file's whole path: 'IP[:PORT] [weight]' a line.", valueName: "file"), completion: .file())
  var file: String?

  @Flag var method: ServerSettings.Method?

  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp("What a server weighs for which nothing else says it (default: 1).", valueName: "weight"))
  var weight: Int32?

  @Option(
    help: ArgumentHelp(
      "How long a server that is no longer found may keep its connections (default: 5m).", valueName: "5m"),
    transform: { try text($0, as: Period.self) })
  var grace: Period?

  /// - Throws: `ValidationError` where they do not go together.
  var discovery: Discovery {
    get throws {
      Discovery(
        try source, method: method?.method ?? .route, weight: weight, grace: grace ?? Discovery.standardGrace)
    }
  }

  private var source: Discovery.Source {
    get throws {
      switch (dns, file) {
      case (nil, nil): throw ValidationError("name where servers are discovered: --dns or --file")
      case (.some, .some): throw ValidationError("servers are discovered by --dns or by --file, not by both")
      case (nil, let file?):
        let isNamed = type != nil || port != nil || resolver != nil || minTtl != nil || maxTtl != nil
        guard !isNamed else { throw ValidationError("--type and its like are for --dns, and this is --file") }
        return .file(file)
      case (let name?, nil):
        guard let ttls = DNSLookup.ttls(minTtl, maxTtl) else { throw ValidationError("--min-ttl is above --max-ttl") }
        return .dns(DNSLookup(name, type: type ?? .any, port: port, resolver: resolver, ttls: ttls))
      }
    }
  }
}
