import LVS

/// A VIP as another station used it.
struct VIPClaim: Equatable, Sendable {
  /// How a station speaks of a VIP that is not its own.
  enum Manner: Sendable {
    /// It answers who asks for the VIP: `arp_ignore` is not 1, or it forwards with `proxy_arp`.
    case answers
    /// It tells everybody, as a host does when it takes an address.
    case announces
    /// It asks for others in the VIP's name: `arp_announce` is not 2.
    case asks
  }

  var vip: IPAddress
  var station: MACAddress
  var manner: Manner
}

/// Which stations use the VIPs, each remembered with the last time: few, however many there claim to be.
struct ClaimLog {
  static let capacity = 64

  private var seen: [VIPClaim: UInt64] = [:]

  mutating func add(_ message: NeighborMessage, now: UInt64) {
    let manner: VIPClaim.Manner =
      switch message.kind {
      case .question: .asks
      case .announcement: .announces
      case .answer, .probe: .answers
      }
    let claim = VIPClaim(vip: message.address, station: message.station, manner: manner)
    guard seen[claim] != nil || seen.count < Self.capacity else { return }
    seen[claim] = now
  }

  mutating func forget(_ vip: IPAddress) {
    seen = seen.filter { $0.key.vip != vip }
  }

  mutating func expire(now: UInt64, memory: UInt64, answers: Bool) {
    seen = seen.filter { ($0.value > now || now - $0.value < memory) && !(answers && $0.key.manner == .answers) }
  }

  var claims: [VIPClaim] { seen.keys.sorted { ($0.vip, $0.station.value) < ($1.vip, $1.station.value) } }
}

extension VIPClaim: Hashable {}
