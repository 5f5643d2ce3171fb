import LVS

/// Finds in a capture whose station the director has there.
public struct StationSearch {
  /// What tells it.
  public enum Sign: Sendable {
    /// It says in ARP or neighbor discovery that a VIP is there.
    case speaksForVIPs
    /// Most frames for the VIPs go there.
    case receivesForVIPs
  }

  private let vips: Set<IPAddress>
  private let vlan: UInt16?
  /// Frames by station.
  private var speakers: [MACAddress: Int] = [:]
  private var receivers: [MACAddress: Int] = [:]

  public init(services: [ServiceDefinition], marks: [MarkRule], vlan: UInt16?) {
    vips = Set(services.flatMap { $0.service.key.addresses(by: marks) })
    self.vlan = vlan
  }

  /// The station of most of the signs, of the smaller address among equals; nil where there is none.
  public var found: (station: MACAddress, sign: Sign)? {
    func most(_ counts: [MACAddress: Int]) -> MACAddress? {
      counts.max { ($0.value, $1.key.value) < ($1.value, $0.key.value) }?.key
    }
    return most(speakers).map { ($0, .speaksForVIPs) } ?? most(receivers).map { ($0, .receivesForVIPs) }
  }

  /// Looks at one frame of the capture.
  public mutating func look(at frame: [UInt8]) {
    guard let (tag, untagged) = Ethernet.untagged(frame), tag.map({ $0 & 0xfff }) == vlan else { return }
    var bytes = untagged
    bytes.lend { bytes in
      look(at: bytes)
      return ((), length: bytes.count)
    }
  }

  private mutating func look(at frame: Bytes) {
    let (receiver, sender) = (frame.mac(Ethernet.destination), frame.mac(Ethernet.source))
    if let arp = ARP.parse(frame) {
      if arp.operation == .reply, vips.contains(arp.sender) { speakers[sender, default: 0] += 1 }
    } else if let ndp = NDP.parse(frame) {
      if ndp.kind == .advertisement, vips.contains(ndp.target) { speakers[sender, default: 0] += 1 }
    } else {
      var packet = Packet()
      guard packet.parseNetwork(frame) == nil, vips.contains(packet.destination), receiver.isStation else { return }
      receivers[receiver, default: 0] += 1
    }
  }
}
