import LVS

/// A network interface as the kernel has it.
struct Interface: Sendable, Equatable {
  var name: String
  var index: UInt32
  var mac: MACAddress
  var mtu: Int
  var isUp: Bool
  var addresses: [Prefix.Interface]

  /// Reads an interface's present state.
  static func read(_ name: String) throws(PlaneError) -> Interface {
    let link = try InterfaceLink.read(name)
    guard link.isEthernet else { throw .notSupported("interface '\(name)' is not an Ethernet interface") }
    return Interface(
      name: name, index: link.index, mac: link.mac, mtu: link.mtu, isUp: link.isUp,
      addresses: InterfaceAddresses.all().filter { $0.interface == name }.map(\.address))
  }
}
