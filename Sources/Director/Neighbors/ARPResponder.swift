import LVS

/// Answers for the VIPs: broadcast and unicast requests alike, since switches ask again by unicast.
enum ARPResponder {
  /// Turns a request for an owned VIP into its reply, in place; nil where there is nothing to answer.
  static func answer(_ frame: Bytes, _ request: ARP, _ vips: VIPTable, _ mac: MACAddress) -> Verdict? {
    guard request.operation == .request,
      vips.answers(for: request.target, isProbe: request.isProbe), request.sender != request.target,
      let frame = frame.resized(to: ARP.frameLength)
    else { return nil }
    let reply = ARP(
      operation: .reply, senderMAC: mac, sender: request.target, targetMAC: request.senderMAC, target: request.sender)
    reply.write(frame, to: request.senderMAC)
    return .answer(length: ARP.frameLength)
  }
}
