import LVS

/// What an ARP packet or a neighbor discovery message says, whichever of the two it was.
struct NeighborMessage: Equatable {
  enum Kind: Equatable {
    /// Wants an address and asks whether somebody has it.
    case probe
    /// Asks for another's address.
    case question
    /// Answers a question of ours.
    case answer
    /// Says of its own accord where the address is.
    case announcement
  }

  var kind: Kind
  /// The address that the sender uses or, in a probe, wants.
  var address: IPAddress
  /// Where it says the address is.
  var station: MACAddress
  /// The address that is asked for, in probes and questions.
  var target: IPAddress
}

extension NeighborMessage {
  /// `isToUs`: the frame was addressed to our own station and no group.
  init(_ arp: ARP, isToUs: Bool) {
    (station, target) = (arp.senderMAC, arp.target)
    address = arp.isProbe ? arp.target : arp.sender
    switch arp.operation {
    case .reply: kind = isToUs ? .answer : .announcement
    case .request: kind = arp.isProbe ? .probe : arp.sender == arp.target ? .announcement : .question
    }
  }

  /// `sender` is the frame's source, which counts where the message names no link-layer address.
  init(_ ndp: NDP, sender: MACAddress, isToUs: Bool) {
    (station, target) = (ndp.mac ?? sender, ndp.target)
    address = ndp.kind == .advertisement || ndp.isProbe ? ndp.target : ndp.source
    switch ndp.kind {
    case .solicitation: kind = ndp.isProbe ? .probe : .question
    case .advertisement: kind = ndp.isSolicited && isToUs ? .answer : .announcement
    }
  }
}
