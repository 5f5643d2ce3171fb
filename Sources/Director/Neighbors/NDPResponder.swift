import LVS

/// Answers for IPv6 VIPs: solicitations to the group and unicast ones alike, and probes for duplicates.
enum NDPResponder {
  /// Turns a solicitation for an owned VIP into its advertisement, in place; nil where there is nothing to answer.
  static func answer(_ frame: Bytes, _ question: NDP, _ vips: VIPTable, _ mac: MACAddress) -> Verdict? {
    guard question.kind == .solicitation,
      vips.answers(for: question.target, isProbe: question.isProbe), question.source != question.target,
      let room = frame.resized(to: NDP.frameLength)
    else { return nil }
    let asker = question.mac ?? frame.mac(Ethernet.source)
    // Who probes has no address yet: all nodes are told (RFC 4861, 7.2.4).
    let advertisement = NDP(
      kind: .advertisement, source: question.target, destination: question.isProbe ? .allNodes : question.source,
      target: question.target, mac: mac, isSolicited: !question.isProbe, overrides: true)
    let length = advertisement.write(room, from: mac, to: question.isProbe ? IPAddress.allNodes.groupMAC : asker)
    return .answer(length: length)
  }
}
