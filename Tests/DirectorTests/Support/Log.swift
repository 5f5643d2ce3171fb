import LVS
import Synchronization

/// The events that were told, in order.
final class Log: Sendable {
  private let all = Mutex<[DirectorEvent]>([])

  var events: [DirectorEvent] { all.withLock { $0 } }

  func append(_ event: DirectorEvent) { all.withLock { $0.append(event) } }
}
