/// The states of a connection as IPVS names them: what a director sees that only sees the client's side.
///
/// The raw values are the kernel's (`IP_VS_TCP_S_*`), then UDP's one state, then SCTP's.
enum ConnectionState: UInt8, CaseIterable {
  case none, established, synSent, synRecv, finWait, timeWait, close, closeWait, lastAck, listen, synAck
  case udp
  case sctpInit1, sctpInit, sctpCookieEchoed, sctpEstablished, sctpShutdownReceived, sctpClosed

  /// The state that a record holds the raw value of.
  @inline(__always)
  init(stored value: UInt8) {
    precondition(value <= Self.sctpClosed.rawValue)
    self = unsafe unsafeBitCast(value, to: Self.self)
  }

  /// The kernel's name in `/proc/net/ip_vs_conn`.
  var name: String {
    switch self {
    case .none: "NONE"
    case .established, .sctpEstablished: "ESTABLISHED"
    case .synSent: "SYN_SENT"
    case .synRecv: "SYN_RECV"
    case .finWait: "FIN_WAIT"
    case .timeWait: "TIME_WAIT"
    case .close: "CLOSE"
    case .closeWait: "CLOSE_WAIT"
    case .lastAck: "LAST_ACK"
    case .listen: "LISTEN"
    case .synAck: "SYNACK"
    case .udp: "UDP"
    case .sctpInit1: "INIT1"
    case .sctpInit: "INIT"
    case .sctpCookieEchoed: "C-ECHOED"
    case .sctpShutdownReceived: "S-RECEIVED"
    case .sctpClosed: "CLOSED"
    }
  }

  /// Whether a connection got as far as to have its template stay when it is forced out.
  @inline(__always) var isEstablished: Bool { self == .established || self == .sctpEstablished }

  /// Whether a connection in this state counts as active. UDP never does.
  @inline(__always) var isActive: Bool {
    switch self {
    case .established, .synSent, .synRecv, .synAck, .sctpEstablished: true
    default: false
    }
  }

  /// The lifetime without a packet, in seconds, where nothing else is set.
  var defaultTimeout: UInt32 {
    switch self {
    case .none: 2
    case .established, .sctpEstablished: 900
    case .synSent, .finWait, .timeWait, .listen, .synAck: 120
    case .synRecv, .closeWait: 60
    case .close: 10
    case .lastAck: 30
    case .udp: 300
    case .sctpInit1: 4
    case .sctpInit, .sctpCookieEchoed, .sctpShutdownReceived, .sctpClosed: 61
    }
  }
}

/// The transitions of a TCP connection of which only the client's packets are seen (the kernel's "input-only" table).
enum TCPTransition {
  /// Next states, four bits for each current state from NONE (lowest) to SYNACK: the rows of the table in reverse.
  ///
  ///          NO ES SS SR FW TW CL CW LA LI SA
  ///     syn  SR ES ES SR SR SR SR SR SR SR SR
  ///     fin  CL FW SS TW FW TW CL CW LA LI TW
  ///     ack  ES ES SS ES FW TW CL CW CL LI ES
  ///     rst  CL CL CL SR CL CL CL CL LA LI CL
  private static let syn: UInt64 = 0x333_3333_3113
  private static let fin: UInt64 = 0x598_7654_5246
  private static let ack: UInt64 = 0x196_7654_1211
  private static let rst: UInt64 = 0x698_6666_3666
  /// Under `secure_tcp` a SYN leads to SYNACK from all but ESTABLISHED, SYN_SENT and SYN_RECV.
  private static let secureSyn: UInt64 = 0xaaa_aaaa_311a

  /// The state after a packet with these flags. RST counts before SYN, SYN before FIN, FIN before ACK; a packet with
  /// none of them closes.
  @inline(__always)
  static func next(_ state: ConnectionState, flags: UInt8, secure: Bool) -> ConnectionState {
    let row: UInt64
    if flags & TCP.rst != 0 {
      row = rst
    } else if flags & TCP.syn != 0 {
      row = secure ? secureSyn : syn
    } else if flags & TCP.fin != 0 {
      row = fin
    } else if flags & TCP.ack != 0 {
      row = ack
    } else {
      return .close
    }
    return ConnectionState(stored: UInt8(truncatingIfNeeded: row &>> (4 &* UInt64(state.rawValue)) & 15))
  }
}

/// The transitions of an SCTP association of which only the client's chunks are seen.
enum SCTPTransition {
  /// The state after a packet whose first chunk is of type `chunk`.
  static func next(_ state: ConnectionState, chunk: UInt8) -> ConnectionState {
    switch (chunk, state) {
    case (1, .none): .sctpInit1
    case (1, .sctpInit1), (1, .sctpInit), (1, .sctpClosed): .sctpInit
    case (2, .none), (2, .sctpInit1), (2, .sctpInit): .sctpCookieEchoed
    case (10, .sctpInit1), (10, .sctpInit): .sctpEstablished
    case (11, .sctpCookieEchoed): .sctpEstablished
    case (7, .none), (7, .sctpEstablished): .sctpShutdownReceived
    case (8, .sctpInit1), (8, .sctpInit): .sctpInit
    case (8, .none), (8, .sctpEstablished), (9, .none): .sctpClosed
    case (14, .none), (14, .sctpInit1), (14, .sctpInit), (14, .sctpShutdownReceived): .sctpClosed
    case (6, _): .sctpClosed
    case (_, .none): .sctpEstablished
    default: state
    }
  }
}
