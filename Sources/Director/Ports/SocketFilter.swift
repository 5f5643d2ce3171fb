import Glibc
import LVS

/// Small programs of the classic packet filter that keep frames from being copied to a socket in vain.
///
/// They run in the kernel on each frame, before the director sees it. The kernel has taken the 802.1Q tag out of the
/// frame already, so offsets are those of an untagged one.
struct SocketFilter {
  /// One instruction as `struct sock_filter` has it.
  struct Instruction: Equatable {
    var code: UInt16
    var ifTrue: UInt8 = 0
    var ifFalse: UInt8 = 0
    var value: UInt32
  }

  private(set) var instructions: [Instruction] = []

  /// More VIPs of a family than this are not looked up in the kernel: all IP for our station is copied then.
  static let maximumVIPs = 100

  private static let whole: UInt32 = 0x40000

  /// IP frames to our own station and one of the VIPs, on the VLAN where one is given, else untagged.
  ///
  /// - Parameter station: a second station of ours, which the kernel takes for another host's.
  static func balanced(vips: [IPAddress], vlan: UInt16?, station: MACAddress? = nil) -> SocketFilter {
    var filter = SocketFilter()
    filter.requireOwn(station)
    filter.require(vlan: vlan)
    filter.instructions.append(Instruction(code: 0x28, value: UInt32(Ethernet.type)))
    let v4 = accept(vips.filter { $0.family == .v4 }) { address in
      [(UInt32(Ethernet.length + IPv4.destination), address.v4)]
    }
    let v6 = accept(vips.filter { $0.family == .v6 }) { address in
      (0..<4).map { word in
        let half = word < 2 ? address.high : address.low
        let bits = UInt32(truncatingIfNeeded: half >> (word % 2 == 0 ? 32 : 0))
        return (UInt32(Ethernet.length + IPv6.destination + 4 * word), bits)
      }
    }
    filter.section(type: Ethernet.ipv4, v4)
    filter.section(type: Ethernet.ipv6, v6)
    filter.reject()
    return filter
  }

  /// All IP frames to our own station, on the VLAN where one is given.
  static func station(vlan: UInt16?, station: MACAddress? = nil) -> SocketFilter {
    var filter = SocketFilter()
    filter.requireOwn(station)
    filter.require(vlan: vlan)
    filter.instructions.append(Instruction(code: 0x28, value: UInt32(Ethernet.type)))
    filter.section(type: Ethernet.ipv4, [Instruction(code: 0x06, value: whole)])
    filter.section(type: Ethernet.ipv6, [Instruction(code: 0x06, value: whole)])
    filter.reject()
    return filter
  }

  /// Attaches the filter for these VIPs, or where that does not fit into the kernel's memory for it, the one for all
  /// that is to our station.
  ///
  /// - Parameter attach: puts a filter in the place of the present one.
  static func attach(
    for vips: [IPAddress], vlan: UInt16?, station: MACAddress?,
    _ attach: (SocketFilter) throws(SystemError) -> Void
  ) throws(SystemError) -> FilterReach {
    guard !vips.isEmpty else {
      try attach(.nothing)
      return .exact
    }
    do throws(SystemError) {
      try attach(.balanced(vips: vips, vlan: vlan, station: station))
      return .exact
    } catch  where error.code == ENOMEM {
      try attach(.station(vlan: vlan, station: station))
      return .wide(
        "the kernel has no room for a filter of \(vips.count) VIPs (net.core.optmem_max): all IP packets for this host "
          + "are looked at")
    }
  }

  /// ARP, and IPv6 neighbor discovery.
  static func neighborhood(vlan: UInt16?) -> SocketFilter {
    var filter = SocketFilter()
    filter.require(vlan: vlan)
    filter.instructions.append(Instruction(code: 0x28, value: UInt32(Ethernet.type)))
    filter.section(type: Ethernet.arp, [Instruction(code: 0x06, value: whole)])
    filter.section(
      type: Ethernet.ipv6,
      [
        Instruction(code: 0x30, value: UInt32(Ethernet.length + IPv6.nextHeader)),
        Instruction(code: 0x15, ifFalse: 3, value: UInt32(ICMP.numberV6)),
        Instruction(code: 0x30, value: UInt32(Ethernet.length + IPv6.length)),
        Instruction(code: 0x35, ifFalse: 1, value: 133),
        Instruction(code: 0x25, ifFalse: 1, value: 137),
        Instruction(code: 0x06, value: 0),
        Instruction(code: 0x06, value: whole),
      ])
    filter.reject()
    return filter
  }

  /// Unicast frames that are another station's, cut to their Ethernet header.
  static func foreign(vlan: UInt16?, station: MACAddress?) -> SocketFilter {
    var filter = SocketFilter()
    filter.load(.packetType)
    filter.requireEqual(3)
    filter.require(vlan: vlan)
    if let station { filter.test(destination: station, ifEqual: 0, ifOther: 1) }
    filter.instructions.append(Instruction(code: 0x06, value: UInt32(Ethernet.length)))
    return filter
  }

  /// Nothing at all.
  static var nothing: SocketFilter {
    var filter = SocketFilter()
    filter.reject()
    return filter
  }

  /// The owner of a frame among `count` workers, by the client's address: the source, or for an ICMP error the
  /// destination of the packet that it quotes. This program sees a packet from its network header on.
  static func fanout(count: Int) -> SocketFilter {
    var filter = SocketFilter()
    filter.instructions =
      clientOfIPv4 + clientOfIPv6 + [
        Instruction(code: 0x24, value: 0x61c8_8647),
        Instruction(code: 0x74, value: 16),
        Instruction(code: 0x94, value: UInt32(count)),
        Instruction(code: 0x16, value: 0),
      ]
    return filter
  }

  private static let network: UInt32 = 0xfff0_0000  // SKF_NET_OFF

  /// Goes on behind `clientOfIPv6` with the client's address, or with that where the packet is not of IPv4.
  private static let clientOfIPv4 = [
    Instruction(code: 0x30, value: network),
    Instruction(code: 0x74, value: 4),
    Instruction(code: 0x15, ifFalse: 11, value: 4),
    // An ICMP error quotes a packet behind its eight bytes.
    Instruction(code: 0x30, value: network + UInt32(IPv4.transport)),
    Instruction(code: 0x15, ifFalse: 7, value: UInt32(ICMP.number)),
    Instruction(code: 0xb1, value: network),
    Instruction(code: 0x50, value: network),
    Instruction(code: 0x15, ifTrue: 2, value: UInt32(ICMP.unreachable)),
    Instruction(code: 0x15, ifTrue: 1, value: UInt32(ICMP.sourceQuench)),
    Instruction(code: 0x15, ifFalse: 2, value: UInt32(ICMP.timeExceeded)),
    Instruction(code: 0x40, value: network + UInt32(ICMP.length + IPv4.destination)),
    Instruction(code: 0x05, value: 18),
    Instruction(code: 0x20, value: network + UInt32(IPv4.source)),
    Instruction(code: 0x05, value: 16),
  ]

  /// Three words of the address, folded; the quoted packet's destination lies 64 bytes behind the source.
  private static let clientOfIPv6 = [
    Instruction(code: 0x30, value: network + UInt32(IPv6.nextHeader)),
    Instruction(code: 0x15, ifFalse: 4, value: UInt32(ICMP.numberV6)),
    Instruction(code: 0x30, value: network + UInt32(IPv6.length)),
    Instruction(code: 0x35, ifTrue: 2, value: 128),
    Instruction(code: 0x01, value: UInt32(ICMP.length + IPv6.length + IPv6.destination - IPv6.source)),
    Instruction(code: 0x05, value: 1),
    Instruction(code: 0x01, value: 0),
    Instruction(code: 0x40, value: network + UInt32(IPv6.source)),
    Instruction(code: 0x02, value: 0),
    Instruction(code: 0x40, value: network + UInt32(IPv6.source + 4)),
    Instruction(code: 0x02, value: 1),
    Instruction(code: 0x40, value: network + UInt32(IPv6.source + 12)),
    Instruction(code: 0x61, value: 0),
    Instruction(code: 0xac, value: 0),
    Instruction(code: 0x61, value: 1),
    Instruction(code: 0xac, value: 0),
  ]

  private enum Ancillary: UInt32 {
    case packetType = 0xffff_f004
    case vlanTag = 0xffff_f02c
    case vlanPresent = 0xffff_f030
  }

  private mutating func load(_ ancillary: Ancillary) {
    instructions.append(Instruction(code: 0x20, value: ancillary.rawValue))
  }

  /// Goes on where the accumulator has this value, else rejects.
  private mutating func requireEqual(_ value: UInt32) {
    instructions.append(Instruction(code: 0x15, ifTrue: 1, value: value))
    reject()
  }

  /// The frame must be to the host's station, or to this one.
  private mutating func requireOwn(_ station: MACAddress?) {
    load(.packetType)
    guard let station else { return requireEqual(0) }
    instructions.append(Instruction(code: 0x15, ifTrue: 5, value: 0))
    test(destination: station, ifEqual: 1, ifOther: 0)
  }

  /// Compares the destination; each outcome rejects the frame or skips the rejection.
  private mutating func test(destination station: MACAddress, ifEqual: UInt8, ifOther: UInt8) {
    instructions += [
      Instruction(code: 0x20, value: UInt32(Ethernet.destination)),
      Instruction(code: 0x15, ifFalse: 2 + ifOther, value: UInt32(truncatingIfNeeded: station.value >> 16)),
      Instruction(code: 0x28, value: UInt32(Ethernet.destination + 4)),
      Instruction(code: 0x15, ifTrue: ifEqual, ifFalse: ifOther, value: UInt32(station.value & 0xffff)),
    ]
    reject()
  }

  private mutating func reject() {
    instructions.append(Instruction(code: 0x06, value: 0))
  }

  /// The frame's VLAN must be this one; without one, the frame must be untagged or merely carry a priority.
  private mutating func require(vlan: UInt16?) {
    load(.vlanPresent)
    if vlan == nil {
      instructions.append(Instruction(code: 0x15, ifTrue: 4, value: 0))
    } else {
      requireEqual(1)
    }
    load(.vlanTag)
    instructions.append(Instruction(code: 0x54, value: 0xfff))
    requireEqual(UInt32(vlan ?? 0))
  }

  /// Instructions that accept any of the addresses, each given as words to be compared.
  private static func accept(_ vips: [IPAddress], _ words: (IPAddress) -> [(UInt32, UInt32)]) -> [Instruction] {
    guard vips.count <= maximumVIPs else { return [Instruction(code: 0x06, value: whole)] }
    let tests = vips.flatMap { vip -> [Instruction] in
      let words = words(vip)
      let tests = words.enumerated().flatMap { index, word in
        [
          Instruction(code: 0x20, value: word.0),
          Instruction(code: 0x15, ifFalse: UInt8(2 * (words.count - 1 - index) + 1), value: word.1),
        ]
      }
      return tests + [Instruction(code: 0x06, value: whole)]
    }
    return tests + [Instruction(code: 0x06, value: 0)]
  }

  /// Runs `body`, which must end the program, for frames of this type.
  private mutating func section(type: UInt16, _ body: [Instruction]) {
    instructions.append(Instruction(code: 0x15, ifTrue: 1, value: UInt32(type)))
    instructions.append(Instruction(code: 0x05, value: UInt32(body.count)))
    instructions += body
  }
}
