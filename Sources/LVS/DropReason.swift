/// Why a frame was dropped. Tests, metrics and `lbctl` share these names.
public enum DropReason: String, CaseIterable, Sendable, Codable {
  // What the wire got wrong.
  case truncatedFrame = "truncated_frame"
  case truncatedIP = "truncated_ip"
  case badIPHeader = "bad_ip_header"
  case badIPLength = "bad_ip_length"
  case truncatedTransport = "truncated_transport"
  case badTransportHeader = "bad_transport_header"
  case badARP = "bad_arp"
  case badICMP = "bad_icmp"
  case badNDP = "bad_ndp"
  case extensionHeaders = "extension_headers"
  case badSource = "bad_source"
  case capturedShort = "captured_short"

  // What IPVS does not forward.
  case hopLimit = "hop_limit"
  case noServer = "no_server"
  case deadServer = "dead_server"
  case packetTooBig = "packet_too_big"
  case scheduleDefence = "schedule_defence"
  case unclaimed = "unclaimed"
  case unclaimedProtocol = "unclaimed_protocol"
  case icmpRateLimited = "icmp_rate_limited"

  // What was full.
  case connectionTableFull = "connection_table_full"
  case templateTableFull = "template_table_full"
  case holdQueueFull = "hold_queue_full"
  case neighborUnreachable = "neighbor_unreachable"
  case fragmentQueueFull = "fragment_queue_full"
  case fragmentTimeout = "fragment_timeout"
  case fragmentOverlap = "fragment_overlap"
  case handoverFull = "handover_full"
  case transmitFailed = "transmit_failed"
}
