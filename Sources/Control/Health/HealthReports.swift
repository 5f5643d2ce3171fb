import LVS
import Synchronization

/// What a watch has told and nobody has taken yet. Of a check or a discovery that was told of twice the later word counts,
/// so there is never more than one for each.
public final class HealthReports: Sendable {
  private struct Pending {
    var changed: [CheckTarget.Name: TargetStatus] = [:]
    var order: [CheckTarget.Name] = []
    var discovered: [DiscoveryTarget: DiscoveryOutcome] = [:]
    var others: [HealthReport] = []
  }

  /// Of what is no change of health; more is not kept.
  private static let limit = 256

  private let pending = Mutex(Pending())
  /// Rings where there is something to take.
  let bell: AsyncStream<Void>
  private let ringer: AsyncStream<Void>.Continuation

  public init() { (bell, ringer) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

  public func add(_ report: HealthReport) {
    pending.withLock { pending in
      switch report {
      case .changed(let status):
        if pending.changed.updateValue(status, forKey: status.name) == nil { pending.order.append(status.name) }
      case .discovered(let target, let outcome): pending.discovered[target] = outcome
      case .unclear, .warning: if pending.others.count < Self.limit { pending.others.append(report) }
      }
    }
    ring()
  }

  func ring() { ringer.yield() }

  /// In the order in which it was told.
  func take() -> [HealthReport] {
    pending.withLock { pending in
      defer { pending = Pending() }
      return pending.others + pending.order.compactMap { pending.changed[$0].map(HealthReport.changed) }
        + pending.discovered.map { .discovered($0, $1) }
    }
  }
}
