import LVS

/// Which worker owns a client's connections: the same for all that comes from the client, and for all that others
/// report about it. Where the kernel does not sort frames so, workers hand over to each other.
struct Ownership {
  let worker: UInt32
  let workers: UInt32

  /// All is this worker's.
  static let sole = Ownership(worker: 0, workers: 1)

  @inline(__always)
  var isSole: Bool { workers == 1 }

  /// As `SocketFilter.fanout` has it.
  @inline(__always)
  func owner(of client: IPAddress) -> UInt32 {
    let folded =
      client.family == .v4
      ? client.v4
      : UInt32(truncatingIfNeeded: client.high >> 32 ^ client.high ^ client.low)
    return ((folded &* 0x61c8_8647) >> 16) % workers
  }

  /// The worker that a frame belongs to, where that is another one. Apart from the rest of the pipe, since one worker
  /// alone never has to ask.
  @inline(never)
  func foreignOwner(_ frame: Bytes, _ packet: Packet) -> UInt32? {
    let isControl = packet.transport == ICMP.number || packet.transport == ICMP.numberV6
    let client = isControl && packet.fragment == .none ? reportedClient(frame, packet) : packet.source
    let owner = owner(of: client)
    return owner == worker ? nil : owner
  }

  /// An error comes from some router: the client is the one to whom the packet went that it quotes.
  @inline(never)
  private func reportedClient(_ frame: Bytes, _ packet: Packet) -> IPAddress {
    let isError = packet.family == .v4 ? ICMP.isForwardedError(packet.kind) : packet.kind < 128
    guard isError, let embedded = packet.embedded(frame) else { return packet.source }
    return embedded.destination
  }
}
