import LVS

/// The kernel's numbers of the states within their protocols, which sync datagrams have.
extension ConnectionState {
  /// Those of UDP and SCTP come after TCP's here.
  var kernelNumber: UInt16 {
    switch self {
    case .udp, .none: 0
    case .sctpInit1: 1
    case .sctpInit: 2
    case .sctpCookieEchoed: 7
    case .sctpEstablished: 8
    case .sctpShutdownReceived: 10
    case .sctpClosed: 13
    default: UInt16(rawValue)
    }
  }

  /// The state of another director's connection; nil where it has none of this protocol. States of SCTP that only both
  /// sides together lead to are the nearest that one side has.
  init?(_ flow: FlowRecord) {
    switch (flow.transport, flow.state) {
    case (TCP.number, 0...UInt16(Self.synAck.rawValue)): self.init(rawValue: UInt8(flow.state))
    case (UDP.number, 0): self = .udp
    case (SCTP.number, 0): self = .none
    case (SCTP.number, 1): self = .sctpInit1
    case (SCTP.number, 2...6): self = .sctpInit
    case (SCTP.number, 7): self = .sctpCookieEchoed
    case (SCTP.number, 8): self = .sctpEstablished
    case (SCTP.number, 9...11): self = .sctpShutdownReceived
    case (SCTP.number, 12...13): self = .sctpClosed
    default: return nil
    }
  }

  /// Whether peers are told of a connection in this state at all (`ip_vs_sync_conn_needed`).
  var isTold: Bool {
    switch self {
    case .established, .finWait, .close, .closeWait, .timeWait: true
    case .udp, .sctpEstablished, .sctpShutdownReceived, .sctpClosed: true
    default: false
    }
  }
}
