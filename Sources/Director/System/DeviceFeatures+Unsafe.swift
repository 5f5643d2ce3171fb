import CNetlink
import Glibc

/// What an interface's driver can do, as the kernel tells it (family `netdev` of generic netlink, Linux 6.3 on).
enum DeviceFeatures {
  // NETDEV_CMD_DEV_GET, NETDEV_A_DEV_IFINDEX
  private static let get: UInt8 = 1
  private static let index: Int32 = 1
  // NETDEV_A_DEV_XDP_FEATURES, NETDEV_XDP_ACT_NDO_XMIT
  private static let features: Int32 = 3
  private static let transmits: UInt64 = 1 << 2
  /// Seconds until an answer that does not come is given up.
  private static let patience = 1
  // NETDEV_A_DEV_XDP_RX_METADATA_FEATURES, NETDEV_XDP_RX_METADATA_VLAN_TAG
  private static let metadata: Int32 = 5
  private static let tag: UInt64 = 1 << 2

  /// Whether frames that an XDP program sends out of the interface arrive: of a veth only where its other end polls, as
  /// it does while it aggregates (`ethtool -K … gro on`) or has an XDP program. False where the kernel does not tell.
  static func transmitsFromXDP(_ interface: UInt32) -> Bool { flags(features, of: interface) & transmits != 0 }

  /// Whether the device takes tags out of frames and no XDP program can learn of them: in generic mode, and natively
  /// where the driver does not tell (it can from Linux 6.8 on). A program takes a tagged frame for an untagged one then.
  static func hidesTags(_ interface: Interface, isGeneric: Bool) -> Bool {
    InterfaceLink.takesTagsOut(interface.name) && (isGeneric || flags(metadata, of: interface.index) & tag == 0)
  }

  /// An attribute of a device that is a set of flags; empty where the kernel does not tell.
  private static func flags(_ attribute: Int32, of interface: UInt32) -> UInt64 {
    guard let socket = unsafe nl_socket_alloc() else { return 0 }
    defer { unsafe nl_socket_free(socket) }
    guard unsafe genl_connect(socket) >= 0 else { return 0 }
    var limit = timeval(tv_sec: patience, tv_usec: 0)
    _ = unsafe setsockopt(
      nl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    let family = unsafe genl_ctrl_resolve(socket, "netdev")
    guard family >= 0, let message = unsafe nlmsg_alloc() else { return 0 }
    defer { unsafe nlmsg_free(message) }
    guard unsafe genlmsg_put(message, 0, 0, family, 0, 0, get, 1) != nil,
      unsafe nla_put_u32(message, index, interface) >= 0, unsafe nl_send_auto(socket, message) >= 0
    else { return 0 }
    return unsafe answer(socket, attribute)
  }

  private static func answer(_ socket: OpaquePointer, _ wanted: Int32) -> UInt64 {
    var sender = sockaddr_nl()
    var buffer: UnsafeMutablePointer<UInt8>?
    let length = unsafe nl_recv(socket, &sender, &buffer, nil)
    guard length > 0, let start = unsafe buffer else { return 0 }
    defer { unsafe free(start) }
    return unsafe start.withMemoryRebound(to: nlmsghdr.self, capacity: 1) { header in
      // NLMSG_ERROR: no such interface.
      guard unsafe nlmsg_ok(header, length) != 0, unsafe header.pointee.nlmsg_type != 2,
        let attribute = unsafe nlmsg_find_attr(header, Int32(MemoryLayout<genlmsghdr>.size), wanted)
      else { return 0 }
      return unsafe nla_get_u64(attribute)
    }
  }
}
