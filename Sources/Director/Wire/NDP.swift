import LVS

/// A neighbor solicitation or advertisement (RFC 4861, 4.3 and 4.4), behind its Ethernet and IPv6 headers.
///
///      0       1       2       3
///     +-------+-------+-------+-------+
///     | type  |code=0 |   checksum    |
///     |RSO        reserved            |
///     |          target (16)          |
///     | options: type, length/8, …    |
///     +-------------------------------+
struct NDP: Equatable {
  enum Kind: UInt8 {
    case solicitation = 135
    case advertisement = 136
  }

  static let length = 24
  private static let flags = 4
  private static let targetOffset = 8
  private static let hopLimit: UInt8 = 255
  private static let optionLength = 8
  private static let message = Ethernet.length + IPv6.length
  /// With the option that both kinds carry but for a probe.
  static let frameLength = message + length + optionLength

  var kind: Kind
  var source: IPAddress
  var destination: IPAddress
  var target: IPAddress
  /// The link-layer address option: the sender's in a solicitation, the target's in an advertisement.
  var mac: MACAddress?
  /// An advertisement that answers a solicitation.
  var isSolicited = false
  /// An advertisement that replaces what is in the receiver's cache.
  var overrides = false

  /// A probe for duplicates (RFC 4862, 5.4): a solicitation that names no sender.
  var isProbe: Bool { kind == .solicitation && source == .unspecifiedV6 }

  /// Which of the two an IPv6 frame is, as its next header and type say; nil for anything else.
  static func kind(of frame: Bytes) -> Kind? {
    guard frame.count > message, frame.u16(Ethernet.type) == Ethernet.ipv6,
      frame.u8(Ethernet.length + IPv6.nextHeader) == ICMP.numberV6
    else { return nil }
    return Kind(rawValue: frame.u8(message))
  }

  /// Takes a frame apart; nil where RFC 4861 (7.1) has it discarded: short, forwarded by a router, damaged, or with
  /// options whose lengths lie.
  static func parse(_ frame: Bytes) -> NDP? {
    guard let kind = kind(of: frame) else { return nil }
    let ip = frame.dropping(Ethernet.length)
    let payload = Int(ip.u16(IPv6.payloadLength))
    guard ip.u8(0) >> 4 == 6, ip.u8(IPv6.hopLimit) == hopLimit, payload >= length, payload <= ip.count - IPv6.length,
      let icmp = ip.dropping(IPv6.length).resized(to: payload), icmp.u8(ICMP.code) == 0
    else { return nil }
    var ndp = NDP(
      kind: kind, source: ip.address(IPv6.source, .v6), destination: ip.address(IPv6.destination, .v6),
      target: icmp.address(targetOffset, .v6))
    let pseudo = Checksum.pseudoHeader(ndp.source, ndp.destination, transport: ICMP.numberV6, length: payload)
    guard Checksum.fold(Checksum.sum(icmp, 0, payload, pseudo)) == 0xffff, ndp.target.isUnicast,
      ndp.readOptions(icmp), ndp.isConsistent(flags: icmp.u8(flags))
    else { return nil }
    return ndp
  }

  /// The option of this kind that carries a link-layer address.
  private var option: UInt8 { kind == .solicitation ? 1 : 2 }

  private mutating func readOptions(_ icmp: Bytes) -> Bool {
    var offset = Self.length
    while offset < icmp.count {
      guard icmp.count - offset >= 2 else { return false }
      let size = Int(icmp.u8(offset + 1)) * 8
      guard size > 0, size <= icmp.count - offset else { return false }
      if icmp.u8(offset) == option { mac = icmp.mac(offset + 2) }
      offset += size
    }
    return true
  }

  /// What the message must and must not be together with its addresses; takes an advertisement's flags over.
  private mutating func isConsistent(flags: UInt8) -> Bool {
    if let mac, !mac.isStation { return false }
    switch kind {
    case .solicitation:
      return isProbe ? destination == target.solicitedNode && mac == nil : source.isUnicast
    case .advertisement:
      (isSolicited, overrides) = (flags & 0x40 != 0, flags & 0x20 != 0)
      return source.isUnicast && !(isSolicited && !destination.isUnicast)
    }
  }

  /// The bytes of the whole frame.
  private var size: Int { mac == nil ? Self.frameLength - Self.optionLength : Self.frameLength }

  /// Writes the whole frame, checksum included; it must have room for `frameLength` bytes.
  ///
  /// - Returns: how long the frame became.
  func write(_ frame: Bytes, from station: MACAddress, to destination: MACAddress) -> Int {
    Ethernet.readdress(frame, from: station, to: destination)
    frame.set(Ethernet.type, Ethernet.ipv6)
    let payload = size - Self.message
    IPv6.write(
      frame, Ethernet.length, from: source, to: self.destination, next: ICMP.numberV6, payload: payload,
      hopLimit: Self.hopLimit)
    let icmp = frame.dropping(Self.message)
    icmp.set(0, kind.rawValue)
    icmp.set(ICMP.code, UInt8(0))
    icmp.set(ICMP.checksum, UInt16(0))
    icmp.set(Self.flags, UInt32(isSolicited ? 0x4000_0000 : 0) | (overrides ? 0x2000_0000 : 0))
    icmp.set(Self.targetOffset, target)
    if let mac {
      icmp.set(Self.length, option)
      icmp.set(Self.length + 1, UInt8(1))
      icmp.set(Self.length + 2, mac)
    }
    let pseudo = Checksum.pseudoHeader(source, self.destination, transport: ICMP.numberV6, length: payload)
    icmp.set(ICMP.checksum, Checksum.finish(Checksum.sum(icmp, 0, payload, pseudo)))
    return size
  }

  /// The whole frame as an array. Without a station to send it to, it goes where its IPv6 destination is a group.
  func frame(from station: MACAddress, to receiver: MACAddress?) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Self.frameLength)
    bytes.lend { ((), length: write($0, from: station, to: receiver ?? destination.groupMAC)) }
    return bytes
  }
}

extension IPAddress {
  static let unspecifiedV6 = IPAddress(v6: 0, 0)
  /// All nodes of the link, `ff02::1`.
  static let allNodes = IPAddress(v6: 0xff02 << 48, 1)

  /// The group that the holder of an IPv6 address listens to: `ff02::1:ff` and the address's last 24 bits.
  var solicitedNode: IPAddress { IPAddress(v6: 0xff02 << 48, 0x0000_0001_ff00_0000 | low & 0xff_ffff) }

  /// The Ethernet group of an IPv6 multicast address (RFC 2464): `33:33` and its last 32 bits.
  var groupMAC: MACAddress { MACAddress(0x3333_0000_0000 | low & 0xffff_ffff) }
}
