import ArgumentParser
import Control
import LVS

struct AddCheck: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add-check", abstract: "Watches the real servers of a service.",
    discussion: """
      A check without -r is for all servers of the service that have none of their own, also those added later. One of
      the same type gives way. A server with several checks is up while none of them fails.

      With --via vip, which is usual for direct routing, what is asked is the VIP at the server's own station: the VIP on
      its lo, the listener and its packet filter are tested, as clients meet them.

      Examples:
        lbctl add-check -t 192.0.2.100:80 --type http --path /alive --status 200
        lbctl add-check -t 192.0.2.100:80 --type tcp --interval 500ms --timeout 1s --rise 2 --fall 2
        lbctl add-check -t 192.0.2.100:80 -r 192.0.2.11 --type exec -- /usr/local/bin/check-it --quick
      """)

  @OptionGroup var service: ServiceOptions
  @OptionGroup var name: OptionalServerOptions
  @OptionGroup var settings: CheckSettings
  @OptionGroup var daemon: PatientDaemonOptions

  func run() async throws {
    let key = try service.key
    let check = try settings.check
    try checked { () throws(PlaneError) in try check.validate(in: key) }
    try await daemon.director.apply([.addCheck(check, to: key, server: name.endpoint(in: key))])
  }
}

struct DeleteCheck: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "del-check", abstract: "Watches real servers no more.",
    discussion: """
      Without -r it is a check of all servers; without --type all checks there are.

      Examples:
        lbctl del-check -t 192.0.2.100:80
        lbctl del-check -t 192.0.2.100:80 -r 192.0.2.11 --type exec
      """)

  @OptionGroup var service: ServiceOptions
  @OptionGroup var name: OptionalServerOptions

  @Option(help: "The type of the check; all of them where none is named.")
  var type: HealthCheck.Kind.Name?

  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    let key = try service.key
    try await daemon.director.apply([.removeCheck(type, from: key, server: name.endpoint(in: key))])
  }
}

struct Checks: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checks", abstract: "Shows by what the real servers are watched.",
    discussion: "What comes of it shows 'lbctl list --health'.")

  @OptionGroup var options: ListingOptions

  func run() async throws {
    try options.show(try await options.director.call(API.checks)) { checks in
      columns(
        ["SERVICE", "SERVER", "TYPE", "INTERVAL", "TIMEOUT", "RISE", "FALL", "ON FAILURE"],
        checks.map {
          [
            "\($0.service)", $0.server.map { "\($0)" } ?? "all", $0.check.kind.name.rawValue, "\($0.check.interval)",
            "\($0.check.timeout)", "\($0.check.rise)", "\($0.check.fall)", $0.check.onFailure.rawValue,
          ]
        })
    }
  }
}

/// Which real server; all of the service where none is named.
struct OptionalServerOptions: ParsableArguments {
  @Option(
    name: [.customShort("r"), .customLong("real-server")],
    help: ArgumentHelp("The real server; without a port, at the service's.", valueName: "rip[:port]"),
    completion: .servers, transform: addressAndPort)
  var server: Endpoint?

  func endpoint(in service: ServiceKey) -> Endpoint? {
    server.map { $0.port == 0 ? Endpoint($0.address, service.port) : $0 }
  }
}
