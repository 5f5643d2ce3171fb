import LVS

/// An ARP packet for IPv4 over Ethernet (RFC 826), behind its Ethernet header.
///
///      0       1       2       3
///     +-------+-------+-------+-------+
///     | hardware = 1  | protocol=0800 |
///     |  6    |   4   |   operation   |
///     |     sender MAC (6)    |  sender
///     |  IP (4)       | target MAC (6)
///     |               | target IP (4) |
///     +-------------------------------+
struct ARP: Equatable {
  enum Operation: UInt16 {
    case request = 1
    case reply = 2
  }

  static let length = 28
  static let frameLength = Ethernet.length + length

  var operation: Operation
  var senderMAC: MACAddress
  var sender: IPAddress
  var targetMAC: MACAddress
  var target: IPAddress

  /// A probe (RFC 5227): a request that names no sender.
  var isProbe: Bool { operation == .request && sender.v4 == 0 }

  /// Takes an ARP frame apart; nil where it is short or not for IPv4 over Ethernet.
  static func parse(_ frame: Bytes) -> ARP? {
    guard frame.count >= frameLength else { return nil }
    let arp = frame.dropping(Ethernet.length)
    guard arp.u16(0) == 1, arp.u16(2) == Ethernet.ipv4, arp.u16(4) == 0x0604,
      let operation = Operation(rawValue: arp.u16(6))
    else { return nil }
    return ARP(
      operation: operation, senderMAC: arp.mac(8), sender: IPAddress(v4: arp.u32(14)), targetMAC: arp.mac(18),
      target: IPAddress(v4: arp.u32(24)))
  }

  /// Writes the whole frame, which must have `frameLength` bytes.
  func write(_ frame: Bytes, to destination: MACAddress) {
    Ethernet.readdress(frame, from: senderMAC, to: destination)
    frame.set(Ethernet.type, Ethernet.arp)
    let arp = frame.dropping(Ethernet.length)
    arp.set(0, UInt16(1))
    arp.set(2, Ethernet.ipv4)
    arp.set(4, UInt16(0x0604))
    arp.set(6, operation.rawValue)
    arp.set(8, senderMAC)
    arp.set(14, sender)
    arp.set(18, targetMAC)
    arp.set(24, target)
  }

  /// The whole frame as an array.
  func frame(to destination: MACAddress) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Self.frameLength)
    bytes.lend { (write($0, to: destination), length: Self.frameLength) }
    return bytes
  }
}
