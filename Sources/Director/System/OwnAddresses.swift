import LVS

/// The host's addresses, which VIPs and real servers must not be.
public struct OwnAddresses: Sendable {
  private let all: [(interface: String, address: Prefix.Interface)]

  /// - Throws: where the kernel does not tell.
  public init() throws(PlaneError) {
    all = try available { () throws(SystemError) in try InterfaceAddresses.all() }
  }

  /// The interface that has the address, or the label that it has there; nil where the host does not have it.
  public func interface(of address: IPAddress) -> String? { all.first { $0.address.address == address }?.interface }

  /// The interface whose network the address is in.
  public func interface(toward address: IPAddress) -> String? {
    all.first { $0.address.network.contains(address) && $0.address.network.length < address.family.bits }?.interface
  }

  /// A subnet's last address is that of all its hosts.
  func requireUnicast(_ address: IPAddress) throws(PlaneError) {
    guard let subnet = all.first(where: { $0.address.broadcast == address }) else { return }
    throw .notUnicast("the broadcast address of \(subnet.address.network),", address)
  }
}
