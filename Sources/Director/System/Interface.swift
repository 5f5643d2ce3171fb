import LVS

/// A network interface as the kernel has it.
struct Interface: Sendable, Equatable {
  var name: String
  var index: UInt32
  var mac: MACAddress
  var mtu: Int
  /// Switched on, and with a carrier.
  var isUp: Bool
  var addresses: [Prefix.Interface]
  /// Receive queues in use.
  var queues: UInt32 = 1
  /// The ports of a bridge; other interfaces have none.
  var ports: Set<String> = []

  /// Reads an interface's present state.
  static func read(_ name: String) throws(PlaneError) -> Interface {
    let link = try InterfaceLink.read(name)
    guard link.isEthernet else { throw .notSupported("interface '\(name)' is not an Ethernet interface") }
    return Interface(
      name: name, index: link.index, mac: link.mac, mtu: link.mtu, isUp: link.isUp,
      addresses: InterfaceAddresses.all().filter { $0.interface == name }.map(\.address),
      queues: InterfaceLink.receiveQueues(name), ports: SystemFile.entries("/sys/class/net/\(name)/brif"))
  }

  /// Whether an address is on one of the interface's networks.
  func isOnLink(_ address: IPAddress) -> Bool { addresses.contains { $0.network.contains(address) } }
}
