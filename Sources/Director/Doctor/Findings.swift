import LVS
import Synchronization

/// What is known to break direct routing, as of the last look.
final class Findings: Sendable {
  private let known = Mutex<[Finding]>([])

  var present: [Finding] { known.withLock { $0 } }

  /// Takes over what was found; what is new, and what is not so any more.
  func replace(_ found: [Finding]) -> (appeared: [Finding], cured: [Finding]) {
    known.withLock { known in
      let (before, after) = (Set(known.map(\.identity)), Set(found.map(\.identity)))
      defer { known = found }
      return (
        appeared: found.filter { !before.contains($0.identity) }, cured: known.filter { !after.contains($0.identity) }
      )
    }
  }
}

extension Finding {
  /// The same trouble is the same finding, though its words may tell another figure.
  fileprivate var identity: [String] { [kind.rawValue, vip ?? "", subject] }
}
