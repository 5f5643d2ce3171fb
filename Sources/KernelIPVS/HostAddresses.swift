import CNetlink
import Glibc
import IPVSMessages
import LVS

/// Puts addresses on one of the host's interfaces and takes them away again, by rtnetlink.
public final class HostAddresses {
  private enum Attribute {
    static let address: UInt16 = 1
    static let local: UInt16 = 2
    static let label: UInt16 = 3
    static let flags: UInt16 = 8
  }

  private enum Message {
    static let add: UInt16 = 20
    static let remove: UInt16 = 21
  }

  /// No route to the prefix comes with the address, and IPv6 does not ask for duplicates: that was done before.
  private static let flags: UInt32 = 0x202

  /// Linux keeps 15 letters of a label.
  private static let longestLabel = 15

  private let socket: NetlinkSocket
  private let interface: String
  private let index: UInt32

  /// What an IPv4 address that this program set is labeled: `ip address` shows it, and it outlives the program.
  public var label: String { interface.utf8.count + 4 <= Self.longestLabel ? "\(interface):lbd" : interface }

  public init(interface: String) throws(PlaneError) {
    do throws(KernelError) {
      socket = NetlinkSocket(try NetlinkPort(NETLINK_ROUTE))
    } catch {
      throw PlaneError(error, about: nil)
    }
    self.interface = interface
    index = unsafe if_nametoindex(interface)
    guard index != 0 else { throw .unavailable("there is no interface '\(interface)' (ip link shows what there is)") }
  }

  /// Sets the address for itself alone: /32 or /128.
  public func add(_ address: IPAddress) throws(PlaneError) {
    let flags = NetlinkFlags.request | NetlinkFlags.acknowledge | NetlinkFlags.create | NetlinkFlags.exclusive
    try carryOut(Message.add, flags, address, tolerating: EEXIST)
  }

  public func remove(_ address: IPAddress) throws(PlaneError) {
    try carryOut(Message.remove, NetlinkFlags.request | NetlinkFlags.acknowledge, address, tolerating: EADDRNOTAVAIL)
  }

  private func carryOut(
    _ type: UInt16, _ flags: UInt16, _ address: IPAddress, tolerating tolerated: Int32
  ) throws(PlaneError) {
    let content = Self.content(of: address, index: index, label: label)
    let answer: Answer
    do throws(ExchangeFailure) {
      answer = try socket.exchange { netlinkMessage(type: type, flags: flags, sequence: $0, content) }
    } catch {
      throw .unavailable("no way to the kernel's addresses: \(error)")
    }
    guard answer.refusal == 0 || answer.refusal == tolerated else {
      throw .unavailable(
        "\(address) cannot be set on \(interface): \(unsafe String(cString: strerror(answer.refusal)))"
          + (answer.refusal == EPERM ? " (CAP_NET_ADMIN is needed: try sudo)" : ""))
    }
  }

  /// `struct ifaddrmsg` (family, prefix length, flags, scope, interface) and the attributes.
  static func content(of address: IPAddress, index: UInt32, label: String) -> [UInt8] {
    var writer = AttributeWriter()
    writer.put(Attribute.local, address.bytes)
    writer.put(Attribute.address, address.bytes)
    if address.family == .v4 { writer.put(Attribute.label, text: label) }
    writer.put(Attribute.flags, number: flags)
    return [UInt8(truncatingIfNeeded: address.family.number), address.family.bits, 0, 0] + index.hostBytes
      + writer.bytes
  }
}
