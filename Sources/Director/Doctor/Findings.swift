import LVS
import Synchronization

/// What is known to break direct routing, as of the last look.
final class Findings: Sendable {
  private let known = Mutex<[Finding]>([])

  var present: [Finding] { known.withLock { $0 } }

  /// Takes over what was found; what is new, and what is not so any more.
  ///
  /// - Parameter ofTables: about tables that have too little room, which is looked at apart from the rest.
  func replace(_ found: [Finding], ofTables: Bool = false) -> (appeared: [Finding], cured: [Finding]) {
    known.withLock { all in
      let known = all.filter { ($0.kind == .tableFull) == ofTables }
      let (before, after) = (Set(known.map(\.identity)), Set(found.map(\.identity)))
      let others = all.filter { ($0.kind == .tableFull) != ofTables }
      all = ofTables ? others + found : found + others
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
