import Control
import LVS

/// Waits for what lbd finds out about a server that it was just told of.
struct NextHopWatch {
  private static let interval = Duration.milliseconds(20)

  let director: any DirectorClient
  let server: IPAddress

  /// Whether the server's station is known, at the latest after the patience.
  ///
  /// - Throws: where the plane knows nothing of next hops.
  func isResolved(within patience: Duration) async throws -> Bool {
    let clock = ContinuousClock()
    let end = clock.now + patience
    while true {
      let row = try await director.call(API.neighbors).first { $0.address == server }
      if row?.mac != nil { return true }
      if row?.state == .failed || clock.now >= end { return false }
      try await clock.sleep(for: Self.interval)
    }
  }
}
