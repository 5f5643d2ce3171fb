import ArgumentParser
import LVS

struct AddService: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add-service", abstract: "Adds a virtual service; lbd then owns its VIP.",
    discussion: """
      The scheduler is wlc where none is named. Port 0 is every port, and needs -p.

      Examples:
        lbctl add-service -t 192.0.2.100:80
        lbctl add-service -t 192.0.2.100:443 -s wrr -p 600 -M 255.255.255.0
        lbctl add-service -u 192.0.2.100:53 -s sh -b sh-port
      """)

  @OptionGroup var service: ServiceOptions
  @OptionGroup var settings: ServiceSettings
  @OptionGroup var farm: FarmSettings

  @Flag(help: "Take the VIP even where another host answers for it.")
  var force = false

  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    var added = VirtualService(try service.key)
    try settings.apply(to: &added)
    try checked(added.validate)
    let director = try await daemon.director
    try await director.apply(
      [.addService(added, force: force)] + farm.change(of: added.key, director))
  }
}
