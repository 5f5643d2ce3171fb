import LVS

/// What is known of a packet that opens a connection.
struct NewConnection {
  var client: IPAddress
  var clientPort: UInt16
  var destination: IPAddress
  /// Hundredths of a second, from the batch's clock.
  var now: UInt32
}

/// An algorithm that selects a real server for each new connection, decision for decision as the kernel's.
///
/// It is used under its service's lock. A scheduler keeps what it needs for its picks to cost little more with 1,000
/// servers than with 10, and is told of every change of the list. Positions are those of the list after the change.
protocol Scheduler: AnyObject {
  /// The list as a whole is new: the scheduler was just bound to its service.
  func bind(_ servers: borrowing ServerList)

  /// A server was added at position 0; all others moved up by one.
  func added(_ servers: borrowing ServerList)

  /// The server that was at `position` is gone; those behind it moved down by one.
  func removed(at position: Int, _ servers: borrowing ServerList)

  /// A server's weight or thresholds were edited.
  func edited(at position: Int, _ servers: borrowing ServerList)

  /// A server's connection counts or its overload mark changed.
  func loadChanged(at position: Int, _ servers: borrowing ServerList)

  /// The position of the server for a new connection; nil where none can take it.
  func pick(_ connection: NewConnection, _ servers: borrowing ServerList) -> Int?
}

/// What a scheduler need not hear of: for those that look at the list alone.
extension Scheduler {
  func edited(at position: Int, _ servers: borrowing ServerList) {}

  func loadChanged(at position: Int, _ servers: borrowing ServerList) {}
}
