import ArgumentParser
import Control
import LVS

/// What becomes of a service when its servers fail. Only what is named is set.
struct FarmSettings: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Servers that stand in while no other is left, with commas between them; 'none' for none.",
      valueName: "rip[:port]"),
    transform: { try fallbackServers($0) })
  var fallback: [Endpoint]?

  @Option(
    help: ArgumentHelp("How long the weight of a server that is up again grows; 0s: not at all.", valueName: "30s"),
    transform: { try text($0, as: Period.self) })
  var slowStart: Period?

  @Option(
    help: ArgumentHelp(
      "Below so many percent of healthy servers the checks are doubted and all are used; 0: never.",
      valueName: "percent"),
    transform: { try text($0, as: Percent.self) })
  var panic: Percent?

  var isNamed: Bool { fallback != nil || slowStart != nil || panic != nil }

  func apply(to farm: inout FarmPolicy) {
    if let fallback { farm.fallback = fallback.map { RealServer($0) } }
    if let slowStart { farm.slowStart = slowStart }
    if let panic { farm.panic = panic }
  }

  /// The change that makes of what a service has what is named; none where nothing is.
  func change(of key: ServiceKey, _ director: any DirectorClient) async throws -> [Change] {
    guard isNamed else { return [] }
    let services = try await director.call(API.configuration).services
    var farm = services.first { $0.service.key == key }?.farm ?? FarmPolicy()
    apply(to: &farm)
    return [.setFarm(farm, of: key)]
  }
}

private func fallbackServers(_ text: String) throws -> [Endpoint] {
  text == "none" ? [] : try text.split(separator: ",").map { try addressAndPort(String($0)) }
}
