import CLinux
import Glibc
import LVS

/// The link-level facts of an interface.
struct InterfaceLink {
  var index: UInt32
  var mac: MACAddress
  var mtu: Int
  var isUp: Bool
  var isEthernet: Bool

  private static let ethernet: Int32 = 1

  static func read(_ name: String) throws(PlaneError) -> InterfaceLink {
    let index = unsafe if_nametoindex(name)
    guard index != 0 else { throw .unavailable("there is no interface '\(name)' (ip link shows what there is)") }
    var (mac, mtu, flags, hardware) = (UInt64(0), Int32(0), UInt32(0), Int32(0))
    let failure = unsafe cl_interface(name, &mac, &mtu, &flags, &hardware)
    guard failure == 0 else {
      throw .unavailable("interface '\(name)': \(SystemError("ioctl", code: failure))")
    }
    let up = UInt32(IFF_UP | IFF_RUNNING)
    return InterfaceLink(
      index: index, mac: MACAddress(mac), mtu: Int(mtu), isUp: flags & up == up, isEthernet: hardware == ethernet)
  }

  /// Whether the interface merges received frames into ones that cannot be taken apart again (LRO).
  static func mergesFrames(_ name: String) -> Bool { unsafe cl_large_receive(name) == 1 }

  /// How many receive queues it has in use; one where it does not tell.
  static func receiveQueues(_ name: String) -> UInt32 { unsafe UInt32(max(cl_receive_queues(name), 1)) }
}

/// All addresses of this host, with their interfaces.
enum InterfaceAddresses {
  static func all() -> [(interface: String, address: Prefix.Interface)] {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard unsafe getifaddrs(&list) == 0 else { return [] }
    defer { unsafe freeifaddrs(list) }
    var result: [(interface: String, address: Prefix.Interface)] = []
    var next = unsafe list
    while let entry = unsafe next {
      if let address = unsafe address(of: entry.pointee) {
        result.append((interface: unsafe String(cString: entry.pointee.ifa_name), address: address))
      }
      unsafe next = entry.pointee.ifa_next
    }
    return result
  }

  private static func address(of entry: ifaddrs) -> Prefix.Interface? {
    guard let raw = unsafe entry.ifa_addr, let address = unsafe read(raw) else { return nil }
    let mask = unsafe entry.ifa_netmask.flatMap { unsafe read($0, family: Int32(raw.pointee.sa_family)) }
    let length = mask.map { UInt8($0.high.nonzeroBitCount + $0.low.nonzeroBitCount) } ?? address.family.bits
    return Prefix.Interface(address, length: length)
  }

  private static func read(_ raw: UnsafeMutablePointer<sockaddr>, family: Int32? = nil) -> IPAddress? {
    switch unsafe family ?? Int32(raw.pointee.sa_family) {
    case AF_INET:
      return unsafe raw.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
        unsafe IPAddress(v4: UInt32(bigEndian: $0.pointee.sin_addr.s_addr))
      }
    case AF_INET6:
      return unsafe raw.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
        unsafe withUnsafeBytes(of: pointer.pointee.sin6_addr) { octets in
          func half(_ at: Int) -> UInt64 {
            unsafe UInt64(bigEndian: octets.loadUnaligned(fromByteOffset: at, as: UInt64.self))
          }
          return IPAddress(v6: half(0), half(8))
        }
      }
    default: return nil
    }
  }
}
