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
/// servers than with 10, and is told of every change of the list. The list is the one after the change.
protocol Scheduler: AnyObject {
  /// The list as a whole is new: the scheduler was just bound to its service.
  func bind(_ servers: borrowing ServerList)

  /// The list became another one by these edits, in this order, all at the same moment.
  func changed(by edits: [ListEdit], _ servers: borrowing ServerList)

  /// A server's connection counts or its overload mark changed.
  func loadChanged(at position: Int, _ servers: borrowing ServerList)

  /// The position of the server for a new connection; nil where none can take it.
  func pick(_ connection: NewConnection, _ servers: borrowing ServerList) -> Int?

  /// Whose turn it is, for those that go round: what the list and its counts do not tell. Set after `bind`, to what may
  /// be any values, it is made what it can be.
  var turn: SchedulerTurn { get set }
}

/// One edit of a service's list. Positions are those of the list that the edits before it led to.
enum ListEdit: Equatable {
  /// A server came to position 0; all others moved up by one.
  case added
  /// The server that was there is gone; those behind it moved down by one.
  case removed(at: Int)
  /// The weight or the thresholds of the server there were edited.
  case edited(at: Int)
}

/// What a scheduler need not hear of: for those that look at the list alone.
extension Scheduler {
  func loadChanged(at position: Int, _ servers: borrowing ServerList) {}

  var turn: SchedulerTurn {
    get { SchedulerTurn() }
    set {}
  }
}
