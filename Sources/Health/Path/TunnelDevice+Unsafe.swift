import CHealth
import Glibc
import LVS

/// A TUN device of this process's, which is gone with it however it ends.
@safe final class TunnelDevice {
  let descriptor: Int32
  let name: String
  let index: UInt32

  /// The longest packet that the host sends into it.
  private static let packetSize = 65_536

  /// - Parameter name: with `%d` for a number that is free.
  init(name pattern: String) throws(CallFailure) {
    var name = [CChar](repeating: 0, count: 16)
    for (place, byte) in pattern.utf8.prefix(15).enumerated() { name[place] = CChar(bitPattern: byte) }
    let opened = unsafe name.withUnsafeMutableBufferPointer { buffer in
      unsafe buffer.baseAddress.map { unsafe ch_tun_open($0) } ?? -EINVAL
    }
    guard opened >= 0 else { throw CallFailure("/dev/net/tun", code: -opened) }
    descriptor = opened
    self.name = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    index = unsafe if_nametoindex(self.name)
  }

  deinit { close(descriptor) }

  /// The next packet; nil where there is none just now.
  func receive() -> [UInt8]? {
    let packet = unsafe [UInt8](unsafeUninitializedCapacity: 2048) { buffer, count in
      unsafe count = max(read(descriptor, buffer.baseAddress, buffer.count), 0)
    }
    return packet.isEmpty ? nil : packet
  }
}

/// Sends packets out of an interface to stations on its LAN.
@safe final class LinkSocket {
  private let descriptor: Int32
  private let interface: String
  private let vlan: UInt16?
  private var index: UInt32

  init(interface: String, vlan: UInt16?) throws(CallFailure) {
    (self.interface, self.vlan) = (interface, vlan)
    index = unsafe if_nametoindex(interface)
    // It receives nothing: its protocol is none.
    descriptor = socket(AF_PACKET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { throw CallFailure("packet socket") }
  }

  deinit { close(descriptor) }

  /// The number of an interface; 0 where there is none of the name.
  static func index(of interface: String) -> UInt32 { unsafe if_nametoindex(interface) }

  /// What the interface takes at once, in bytes.
  func mtu() throws(CallFailure) -> UInt32 {
    var request = unsafe ifreq()
    unsafe withUnsafeMutableBytes(of: &request.ifr_ifrn) { unsafe $0.copyBytes(from: interface.utf8.prefix(15)) }
    guard unsafe ioctl(descriptor, UInt(SIOCGIFMTU), &request) == 0 else { throw CallFailure(interface) }
    return unsafe UInt32(max(request.ifr_ifru.ifru_mtu, 0))
  }

  /// A packet that cannot be sent is one lost, as on any LAN; the attempt finds out.
  func send(_ packet: [UInt8], to station: MACAddress) {
    let type: UInt16 = packet.first.map { $0 >> 4 == 6 } == true ? 0x86dd : 0x0800
    let content = vlan.map { $0.networkBytes + type.networkBytes + packet } ?? packet
    let outer: UInt16 = vlan == nil ? type : 0x8100
    if transmit(content, outer, station) { return }
    // The interface may be another one of its name by now.
    let present = unsafe if_nametoindex(interface)
    guard present != index else { return }
    index = present
    _ = transmit(content, outer, station)
  }

  private func transmit(_ content: [UInt8], _ type: UInt16, _ station: MACAddress) -> Bool {
    var name = sockaddr_ll()
    name.sll_family = UInt16(AF_PACKET)
    name.sll_protocol = type.bigEndian
    name.sll_ifindex = Int32(bitPattern: index)
    name.sll_halen = 6
    unsafe withUnsafeMutableBytes(of: &name.sll_addr) { unsafe $0.copyBytes(from: station.bytes) }
    let sent = unsafe content.withUnsafeBytes { bytes in
      unsafe withUnsafePointer(to: name) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe sendto(descriptor, bytes.baseAddress, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
        }
      }
    }
    return sent >= 0 || errno != ENXIO && errno != ENODEV
  }
}

extension MACAddress {
  fileprivate var bytes: [UInt8] { (0..<6).map { UInt8(truncatingIfNeeded: value >> (40 - 8 * $0)) } }
}
