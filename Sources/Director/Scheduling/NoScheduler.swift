/// `none`: a service without a scheduler. Nothing is ever selected.
final class NoScheduler: Scheduler {
  func bind(_ servers: borrowing ServerList) {}

  func changed(by edits: [ListEdit], _ servers: borrowing ServerList) {}

  func pick(_ connection: NewConnection, _ servers: borrowing ServerList) -> Int? { nil }
}
