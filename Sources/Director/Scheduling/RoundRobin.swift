/// `rr`: the usable servers in turn, whatever their weights.
///
/// The next usable server after the last chosen one, around the end of the list. The kernel walks over those that
/// are not usable; here a tree of weights leads past them, in one step where the very next server is usable and in
/// log2(n) at worst.
final class RoundRobin: Scheduler {
  private var weights = SegmentTree<GreatestWeight>()
  /// The position of the last chosen server; -1 is the head of the list, before the first.
  private var last = -1

  func bind(_ servers: borrowing ServerList) {
    last = -1
    rebuild(servers)
  }

  func changed(by edits: [ListEdit], _ servers: borrowing ServerList) {
    for edit in edits {
      switch edit {
      case .added: if last >= 0 { last += 1 }
      // Also where it is the chosen one that goes: its predecessor takes its place.
      case .removed(let position): if position <= last { last -= 1 }
      case .edited: break
      }
    }
    rebuild(servers)
  }

  func loadChanged(at position: Int, _ servers: borrowing ServerList) {
    weights.update(position, to: GreatestWeight(servers[position]))
  }

  func pick(_ connection: NewConnection, _ servers: borrowing ServerList) -> Int? {
    guard let next = weights.first(from: last + 1, atLeast: 1) ?? weights.first(from: 0, atLeast: 1) else {
      return nil
    }
    last = next
    return next
  }

  var turn: SchedulerTurn {
    get { SchedulerTurn(last: Int32(last)) }
    set { last = newValue.last < weights.width ? max(Int(newValue.last), -1) : -1 }
  }

  private func rebuild(_ servers: borrowing ServerList) {
    var new = SegmentTree(servers) { server, _ in GreatestWeight(server) }
    swap(&weights, &new)
  }
}
