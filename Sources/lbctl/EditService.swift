import ArgumentParser
import LVS

struct EditService: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "edit-service", abstract: "Changes a virtual service.",
    discussion: """
      Only what is named changes. A scheduler that is named without -b starts without flags.

      Examples:
        lbctl edit-service -t 192.0.2.100:80 -s rr
        lbctl edit-service -t 192.0.2.100:80 --no-persistent
        lbctl edit-service -t 192.0.2.100:80 --fallback 192.0.2.99 --slow-start 30s --panic 50
      """)

  @OptionGroup var service: ServiceOptions
  @OptionGroup var settings: ServiceSettings
  @OptionGroup var farm: FarmSettings

  @Flag(help: "End persistence, and with it its engine.")
  var noPersistent = false

  @Flag(help: "End one-packet scheduling.")
  var noOps = false

  @Flag(help: "Use no persistence engine.")
  var noPe = false

  @OptionGroup var daemon: DaemonOptions

  func validate() throws {
    if noPersistent, settings.persistent != nil || settings.netmask != nil || settings.pe != nil {
      throw ValidationError("--no-persistent contradicts -p, -M and --pe")
    }
    if noOps, settings.ops { throw ValidationError("--no-ops contradicts -o") }
    if noPe, settings.pe != nil { throw ValidationError("--no-pe contradicts --pe") }
  }

  func run() async throws {
    let key = try service.key
    let director = try await daemon.director
    var edited = try await director.service(key).service
    if noPersistent { edited.persistence = nil }
    if noPersistent || noPe { edited.persistenceEngine = nil }
    if noOps { edited.onePacket = false }
    try settings.apply(to: &edited)
    try checked(edited.validate)
    try await director.apply([.updateService(edited)] + farm.change(of: key, director))
  }
}
