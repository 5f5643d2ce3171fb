import LVS

@testable import Control

/// A plane that forwards nothing and can be asked for everything; its services may have counted something before.
actor ListedPlane: ForwardingPlane {
  nonisolated let capabilities = Capabilities(
    .userspace, methods: [.route, .tunnel, .masquerade], features: [.marks, .macs], settings: [])

  private var state: DesiredState
  /// What services and servers counted.
  private let counted: [ServiceKey: ServiceStatus]

  init(_ services: [ServiceStatus] = []) {
    state = DesiredState(capabilities, found: services.map(\.definition))
    counted = Dictionary(services.map { ($0.service.key, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// A core that wants of it what it has.
  nonisolated func core() -> ControlCore {
    ControlCore(mirroring: self) { () async throws(PlaneError) in await self.state }
  }

  func admit(_ claims: [Claim]) -> Admission { Admission() }
  func adopt(_ transition: Transition) { state = transition.next }

  func status() -> [ServiceStatus] {
    state.services.map { definition in
      var status = counted[definition.service.key] ?? ServiceStatus(service: definition.service)
      let before = Dictionary(status.servers.map { ($0.server.endpoint, $0) }, uniquingKeysWith: { first, _ in first })
      status.service = definition.service
      status.servers = definition.effective.servers.reversed().map { server in
        var status = before[server.endpoint] ?? ServerStatus(server: server)
        status.server = server
        return status
      }
      return status
    }
  }

  func connections(_ filter: ConnectionFilter, _ body: @Sendable ([ConnectionStatus]) async -> Bool) {}
  func total() -> Traffic { Traffic() }
  func timeouts() -> Timeouts { state.timeouts }
  func settings() -> [String: String] { [:] }

  func zero(_ service: ServiceKey?) throws(PlaneError) {
    if let service, state.service(service) == nil { throw .noSuchService(service) }
  }

  func stop() {}
}
