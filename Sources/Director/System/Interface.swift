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

  /// Reads the present state of an interface that must be there.
  static func read(_ name: String) throws(PlaneError) -> Interface {
    guard let link = try available({ () throws(SystemError) in try InterfaceLink.find(name) }) else {
      throw .unavailable("there is no interface '\(name)' (ip link shows what there is)")
    }
    guard link.isEthernet else { throw .notSupported("interface '\(name)' is not an Ethernet interface") }
    return try available { () throws(SystemError) in try Interface(name, link) }
  }

  /// Reads an interface's present state.
  ///
  /// - Returns: nil where there is no Ethernet interface of the name.
  /// - Throws: where that cannot be found out, as without a descriptor to spare.
  static func find(_ name: String) throws(SystemError) -> Interface? {
    guard let link = try InterfaceLink.find(name), link.isEthernet else { return nil }
    return try Interface(name, link)
  }

  /// Whether an address is on one of the interface's networks.
  func isOnLink(_ address: IPAddress) -> Bool { addresses.contains { $0.network.contains(address) } }
}

extension Interface {
  private init(_ name: String, _ link: InterfaceLink) throws(SystemError) {
    self.init(
      name: name, index: link.index, mac: link.mac, mtu: link.mtu, isUp: link.isUp,
      addresses: try InterfaceAddresses.all().filter { $0.interface == name }.map(\.address), queues: link.queues,
      ports: try SystemFile.entries("/sys/class/net/\(name)/brif"))
  }
}
