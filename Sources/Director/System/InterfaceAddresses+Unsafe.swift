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
  /// Receive queues in use; one where it does not tell.
  var queues: UInt32

  private static let ethernet: Int32 = 1

  /// - Returns: nil where there is no interface of the name.
  /// - Throws: where that cannot be found out, as without a descriptor to spare.
  static func find(_ name: String) throws(SystemError) -> InterfaceLink? {
    let socket = try Descriptor(socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0), call: "socket")
    var link = cl_link()
    switch unsafe cl_interface(socket.number, name, &link) {
    case 0: break
    case ENODEV: return nil
    case let failure: throw SystemError("ioctl", code: failure)
    }
    let up = UInt32(IFF_UP | IFF_RUNNING)
    return InterfaceLink(
      index: link.index, mac: MACAddress(link.mac), mtu: Int(link.mtu), isUp: link.flags & up == up,
      isEthernet: link.hardware == ethernet, queues: unsafe UInt32(max(cl_receive_queues(socket.number, name), 1)))
  }

  /// Whether the interface merges received frames into ones that cannot be taken apart again (LRO).
  static func mergesFrames(_ name: String) -> Bool { unsafe cl_device_flags(name) & cl_merges_frames != 0 }

  /// Whether the device takes 802.1Q tags out of received frames and hands them over beside these.
  static func takesTagsOut(_ name: String) -> Bool { unsafe cl_device_flags(name) & cl_takes_tags_out != 0 }
}

/// All addresses of this host, with their interfaces.
enum InterfaceAddresses {
  static func all() throws(SystemError) -> [(interface: String, address: Prefix.Interface)] {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard unsafe getifaddrs(&list) == 0 else { throw SystemError("getifaddrs") }
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

  /// The interface, or label of an interface, that has each of the host's addresses.
  static func interfaces() throws(SystemError) -> [IPAddress: String] {
    Dictionary(try all().map { ($0.address.address, $0.interface) }, uniquingKeysWith: { first, _ in first })
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
        unsafe withUnsafeBytes(of: pointer.pointee.sin6_addr) { bytes in
          func half(_ at: Int) -> UInt64 {
            unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
          }
          return IPAddress(v6: half(0), half(8))
        }
      }
    default: return nil
    }
  }
}
