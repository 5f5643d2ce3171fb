import CHealth
import CNetlink
import Glibc
import LVS

/// The host's routing for marked packets: a rule for the mark, and a table in which all goes to the TUN device.
///
/// The route is gone with the device. The rule is not: a killed director leaves one for each address family, which leads
/// to an empty table and so does nothing, until the next director takes it away (`sweep`).
@safe final class PolicyRoutes {
  private let socket: OpaquePointer
  private let device: UInt32
  private let mark: UInt32
  private let mtu: UInt32
  private var families: Set<IPAddress.Family> = []

  /// Who made the rules and routes, as `ip rule` shows it: a number that nobody else has (linux/rtnetlink.h).
  private static let origin: UInt8 = 108
  /// Before all that the operator has, of which our mark is none.
  private static let priority: UInt32 = 10

  init(device: UInt32, mark: UInt32, mtu: UInt32) throws(CallFailure) {
    (self.device, self.mark, self.mtu) = (device, mark, mtu)
    guard let socket = unsafe nl_socket_alloc() else { throw CallFailure("netlink", code: ENOMEM) }
    unsafe self.socket = socket
    guard unsafe nl_connect(socket, NETLINK_ROUTE) == 0 else {
      unsafe nl_socket_free(socket)
      throw CallFailure("netlink")
    }
  }

  deinit {
    for family in families {
      // Whatever is gone already needs no taking away.
      try? rule(family, RTM_DELRULE, flags: 0)
    }
    unsafe nl_socket_free(socket)
  }

  /// Takes away what a killed director left.
  static func sweep(mark: UInt32) throws(CallFailure) {
    let left = try PolicyRoutes(device: 0, mark: mark, mtu: 0)
    // All that is there goes with the last of them.
    left.families = Set(IPAddress.Family.allCases)
  }

  /// Brings the device up, with no address of its own, not even IPv6's automatic one.
  func bringUp() throws(CallFailure) {
    var header = ifinfomsg()
    header.ifi_family = UInt8(AF_UNSPEC)
    header.ifi_index = Int32(bitPattern: device)
    try unsafe send(RTM_SETLINK, flags: 0, header) { message in
      unsafe nla_put_u32(message, Int32(IFLA_MTU), mtu)
      let families = unsafe nla_nest_start(message, Int32(IFLA_AF_SPEC))
      let inet6 = unsafe nla_nest_start(message, AF_INET6)
      unsafe nla_put_u8(message, Int32(IFLA_INET6_ADDR_GEN_MODE), 1)
      unsafe nla_nest_end(message, inet6)
      unsafe nla_nest_end(message, families)
    }
    (header.ifi_flags, header.ifi_change) = (UInt32(IFF_UP), UInt32(IFF_UP))
    try unsafe send(RTM_SETLINK, flags: 0, header) { _ in }
  }

  /// Routes marked packets of an address family, if that is not done already.
  func require(_ family: IPAddress.Family) throws(CallFailure) {
    guard !families.contains(family) else { return }
    try set(family)
    families.insert(family)
  }

  func uphold() throws(CallFailure) {
    for family in families { try set(family) }
  }

  private func set(_ family: IPAddress.Family) throws(CallFailure) {
    try route(family)
    do throws(CallFailure) { try rule(family, RTM_NEWRULE, flags: NLM_F_CREATE | NLM_F_EXCL) } catch {
      guard error.code == EEXIST else { throw error }
    }
  }

  private func route(_ family: IPAddress.Family) throws(CallFailure) {
    var header = rtmsg()
    header.rtm_family = Self.number(family)
    header.rtm_protocol = Self.origin
    header.rtm_scope = family == .v4 ? UInt8(RT_SCOPE_LINK.rawValue) : UInt8(RT_SCOPE_UNIVERSE.rawValue)
    header.rtm_type = UInt8(RTN_UNICAST)
    try unsafe send(RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_REPLACE, header) { message in
      unsafe nla_put_u32(message, Int32(RTA_TABLE.rawValue), mark)
      unsafe nla_put_u32(message, Int32(RTA_OIF.rawValue), device)
    }
  }

  private func rule(_ family: IPAddress.Family, _ type: Int, flags: Int32) throws(CallFailure) {
    var header = fib_rule_hdr()
    header.family = Self.number(family)
    header.action = UInt8(FR_ACT_TO_TBL)
    try unsafe send(type, flags: flags, header) { message in
      unsafe nla_put_u32(message, Int32(FRA_FWMARK), mark)
      unsafe nla_put_u32(message, Int32(FRA_FWMASK), ~0)
      unsafe nla_put_u32(message, Int32(FRA_TABLE), mark)
      unsafe nla_put_u32(message, Int32(FRA_PRIORITY), Self.priority)
      unsafe nla_put_u8(message, Int32(FRA_PROTOCOL), Self.origin)
    }
  }

  private static func number(_ family: IPAddress.Family) -> UInt8 { UInt8(family == .v4 ? AF_INET : AF_INET6) }

  /// Sends a request and waits for the kernel's word on it.
  private func send<Header: BitwiseCopyable>(
    _ type: Int, flags: Int32, _ header: Header, _ fill: (OpaquePointer) -> Void
  ) throws(CallFailure) {
    guard let message = unsafe nlmsg_alloc_simple(Int32(type), flags) else {
      throw CallFailure("netlink", code: ENOMEM)
    }
    var header = header
    unsafe nlmsg_append(message, &header, MemoryLayout<Header>.size, Int32(NLMSG_ALIGNTO))
    unsafe fill(message)
    // It frees the message.
    let result = unsafe nl_send_sync(socket, message)
    guard result >= 0 else { throw CallFailure("routing of checks", code: Self.errno(of: result)) }
  }

  /// libnl has numbers of its own for what the kernel refuses (netlink/errno.h).
  private static func errno(of failure: Int32) -> Int32 {
    let known: [Int32: Int32] = [
      NLE_EXIST: EEXIST, NLE_PERM: EPERM, NLE_NOMEM: ENOMEM, NLE_AF_NOSUPPORT: EAFNOSUPPORT, NLE_OPNOTSUPP: EOPNOTSUPP,
      NLE_NODEV: ENODEV, NLE_OBJ_NOTFOUND: ENOENT, NLE_NOACCESS: EACCES,
    ]
    return known[abs(failure)] ?? EINVAL
  }
}
