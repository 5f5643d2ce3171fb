import ArgumentParser
import Control
import LVS

struct EditServer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "edit-rs", abstract: "Changes a real server.",
    discussion: """
      Only what is named changes; a weight that is named ends a drain.

      Examples:
        lbctl edit-rs -t 192.0.2.100:80 -r 192.0.2.11 -w 5
        lbctl edit-rs -t 192.0.2.100:80 -r 192.0.2.11 --no-mac
      """)

  @OptionGroup var service: ServiceOptions
  @OptionGroup var name: ServerOptions
  @OptionGroup var settings: ServerSettings

  @Flag(help: "Resolve the server's Ethernet address again.")
  var noMac = false

  @OptionGroup var daemon: DaemonOptions

  func validate() throws {
    if noMac, settings.mac != nil { throw ValidationError("--no-mac contradicts --mac") }
  }

  func run() async throws {
    let key = try service.key
    let status = try await daemon.director.service(key)
    let placed = RealServer(name.server, method: settings.method?.method ?? .route).placed(in: key).endpoint
    var edited = try status.server(name.endpoint(in: key), or: placed)
    if noMac { edited.mac = nil }
    settings.apply(to: &edited)
    let server = edited
    try checked { () throws(PlaneError) in try server.validate(in: key) }
    try await daemon.director.apply([.updateServer(server, of: key)])
  }
}

extension ServiceStatus {
  /// The server of that name, else the one of the other name.
  func server(_ name: Endpoint, or other: Endpoint? = nil) throws(PlaneError) -> RealServer {
    for name in [name, other ?? name] {
      if let found = servers.first(where: { $0.server.endpoint == name }) { return found.server }
    }
    throw .noSuchServer(name, service.key)
  }
}
