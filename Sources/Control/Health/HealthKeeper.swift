import LVS
import ServiceLifecycle

/// Has the services follow the health of their servers, as it changes and as weights grow, until the daemon ends.
public struct HealthKeeper: Service {
  private let core: ControlCore

  public init(_ core: ControlCore) { self.core = core }

  public func run() async {
    let reports = core.reports
    var alarm: Task<Void, Never>?
    for await _ in reports.bell.cancelOnGracefulShutdown() {
      alarm?.cancel()
      guard let pause = await core.follow(reports.take()) else { continue }
      alarm = Task {
        // Where it is cancelled, somebody else has rung.
        if (try? await Task.sleep(for: pause)) != nil { reports.ring() }
      }
    }
    alarm?.cancel()
  }
}
