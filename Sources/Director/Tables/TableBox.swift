/// A worker's connection table on its way to the worker, which takes it out once.
final class TableBox: @unchecked Sendable {
  private var table: ConnectionTable?

  init(_ table: consuming ConnectionTable) {
    self.table = consume table
  }

  func take() -> ConnectionTable? {
    let taken = table.take()
    return taken
  }
}
