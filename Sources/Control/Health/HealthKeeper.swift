import LVS
import ServiceLifecycle

/// Has the services follow the health of their servers, as it changes, as neighbors fail and as weights grow, until the daemon ends.
public struct HealthKeeper: Service {
  private let core: ControlCore

  public init(_ core: ControlCore) { self.core = core }

  public func run() async {
    let reports = core.reports
    let neighbors = core.facilities.failedNeighbors
    let listener = Task { for await _ in neighbors?.changes ?? .finished { reports.ring() } }
    defer { listener.cancel() }
    var alarm: Task<Void, Never>?
    for await _ in reports.bell.cancelOnGracefulShutdown() {
      alarm?.cancel()
      guard let pause = await core.follow(reports.take()) else { continue }
      alarm = Task {
        // Where it is canceled, somebody else has rung.
        if (try? await Task.sleep(for: pause)) != nil { reports.ring() }
      }
    }
    alarm?.cancel()
  }
}

extension AsyncStream {
  /// Has nothing, and never will.
  fileprivate static var finished: AsyncStream { AsyncStream { $0.finish() } }
}
