/// The line that a record waits in for its end, by how easily it is spared where room is short.
enum Lane: UInt8, CaseIterable, BitwiseCopyable {
  /// Established connections, and flows of several datagrams.
  case settled
  /// The client has said that it is done.
  case closing
  /// Reset or aborted.
  case closed
  /// Begun, and nothing more than that: half-open connections, and flows of one datagram.
  case freshTCP, freshUDP, freshSCTP

  static let count = 6

  /// Of templates, which have tables of their own: those of which no connection was established, and the others.
  static let unassured = Lane.freshTCP
  static let assured = Lane.freshUDP

  /// How far ahead a record is placed at most, in hundredths of a second.
  ///
  /// Nothing begun has a shorter lifetime (an INIT 4 s, a SYN 60 s; UDP's may be set), so whatever is placed goes to the
  /// end of its lane.
  @inline(__always) var round: UInt32 {
    rawValue < Lane.freshTCP.rawValue
      ? UInt32(Int32.max) : self == .freshSCTP ? 4 * ticksPerSecond : 60 * ticksPerSecond
  }
}

extension ConnectionState {
  /// Where a connection waits that enters this state. A flow of datagrams is settled by its second one.
  var lane: Lane {
    switch self {
    case .established, .sctpEstablished: .settled
    case .finWait, .timeWait, .closeWait, .lastAck, .sctpShutdownReceived: .closing
    case .close, .sctpClosed: .closed
    case .none, .synSent, .synRecv, .listen, .synAck: .freshTCP
    case .udp: .freshUDP
    case .sctpInit1, .sctpInit, .sctpCookieEchoed: .freshSCTP
    }
  }
}
