/// Why a frame was dropped. Tests, metrics and `lbctl` share these names.
public enum DropReason: UInt8, CaseIterable, Sendable, BitwiseCopyable {
  // What the wire got wrong.
  case truncatedFrame
  case truncatedIp
  case badIpHeader
  case badIpLength
  case truncatedTransport
  case badTransportHeader
  /// Of the transport, in a packet that a host would answer otherwise.
  case badChecksum
  case badArp
  case badIcmp
  case badNdp
  /// Another station claims the address of a VIP or a known server, or answers what nobody asked.
  case disputedClaim
  case extensionHeaders
  case badSource
  case capturedShort

  // What IPVS does not forward.
  case hopLimit
  case noServer
  case deadServer
  case packetTooBig
  case scheduleDefense
  /// Of no known connection, for a VIP whose connections are being carried over from or to the kernel.
  case vipMoving
  case noCallId
  case unclaimed
  case unclaimedProtocol
  case icmpRateLimited

  // What was full.
  case connectionTableFull
  case templateTableFull
  case holdQueueFull
  case neighborUnreachable
  case fragmentQueueFull
  case fragmentTimeout
  /// It would say something of its datagram for a second time, or its datagram's fragments did (RFC 5722).
  case fragmentOverlap
  /// The same part of its datagram has passed.
  case fragmentDuplicate
  /// Too little for the header that it must have, or nothing at all (RFC 1858).
  case fragmentTiny
  case transmitFailed
  /// The worker that owns the connection could not keep up with what others handed over.
  case handoverQueueFull

  /// The name in metrics and listings: `no_server`.
  public var name: String {
    "\(self)".reduce(into: "") { name, letter in
      name += letter.isUppercase ? "_" + letter.lowercased() : String(letter)
    }
  }
}
