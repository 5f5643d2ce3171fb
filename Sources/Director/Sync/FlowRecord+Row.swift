import LVS

extension FlowRecord {
  /// The states of each protocol by the kernel's numbers, as it lists them.
  private static let states: [UInt8: [String]] = [
    TCP.number: [
      "NONE", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK",
      "LISTEN", "SYNACK",
    ],
    UDP.number: ["UDP"],
    SCTP.number: [
      "NONE", "INIT1", "INIT", "C-SENT", "C-REPLIED", "C-WAIT", "COOKIE", "C-ECHOED", "ESTABLISHED", "S-SENT",
      "S-RECEIVED", "S-ACK-SENT", "REJECTED", "CLOSED",
    ],
  ]

  /// What a row of a listing says, be it the kernel's or lbd's; nil where its protocol or state is none that they have.
  ///
  /// A row tells neither the mark nor what a persistence engine goes by.
  public init?(_ row: ConnectionStatus) {
    let transport = TransportProtocol.allCases.first { $0.name == row.transport }?.rawValue
    let state =
      row.isTemplate
      ? ["NONE", "ASSURED"].firstIndex(of: row.state)
      : transport.flatMap { Self.states[$0]?.firstIndex(of: row.state) }
    guard let state, transport != nil || row.isTemplate && row.transport == "ip" else { return nil }
    let mark = transport == nil ? row.virtual.address.v4 : 0
    self.init(
      transport: transport ?? 0, client: row.client, virtual: row.virtual, server: row.server, mark: mark,
      flags: row.isTemplate ? [.noOutput, .inactive, .template] : .noOutput, state: UInt16(state),
      timeLeft: max(row.expires, 1))
    if !row.isTemplate, ConnectionState(self)?.isActive == false { flags.insert(.inactive) }
  }
}
