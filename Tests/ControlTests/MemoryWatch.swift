import LVS
import Synchronization

/// A watch that asks nobody: its tests say what there is to tell.
final class MemoryWatch: HealthWatch {
  private let all = Mutex<[CheckTarget]>([])

  var asksByVIP: Bool { true }
  var targets: [CheckTarget] { all.withLock { $0 } }

  func validate(_ check: HealthCheck) throws(PlaneError) {
    if case .http(let question) = check.kind, question.body == "(" { throw .invalid("'(' is not a regular expression") }
  }

  func watch(_ targets: [CheckTarget]) { all.withLock { $0 = targets } }
  func status() -> [TargetStatus] { targets.map { TargetStatus($0, .unknown) } }
  func stop() {}
}
