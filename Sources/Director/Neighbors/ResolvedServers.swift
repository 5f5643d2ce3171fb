import LVS
import Synchronization

/// Which real servers are at which address, so that what is learnt of the address reaches all of them.
final class ResolvedServers: Sendable {
  private let servers: ServerTable
  private let byAddress = Mutex<[IPAddress: [UInt32]]>([:])
  private let known = Mutex<[IPAddress: MACAddress]>([:])

  init(_ servers: ServerTable) {
    self.servers = servers
  }

  /// Takes over which servers there are; those at a known address are reachable at once.
  func replace(_ addresses: [IPAddress: [UInt32]]) {
    byAddress.withLock { $0 = addresses }
    known.withLock { known in
      known = known.filter { addresses[$0.key] != nil }
      for (address, mac) in known { set(address, mac) }
    }
  }

  /// The server whose station this is.
  func address(at mac: MACAddress) -> IPAddress? {
    known.withLock { known in known.filter { $0.value == mac }.keys.min() }
  }

  /// How many packets have gone to an address, as workers count them.
  func packets(to address: IPAddress, _ workers: [Counters]) -> UInt64 {
    let servers = byAddress.withLock { $0[address] ?? [] }
    return servers.reduce(0) { sum, server in workers.reduce(sum) { $0 &+ $1.server(server).packets } }
  }

  func found(_ address: IPAddress, at mac: MACAddress) {
    known.withLock { $0[address] = mac }
    set(address, mac)
  }

  func lost(_ address: IPAddress) {
    known.withLock { $0[address] = nil }
    set(address, .zero)
  }

  private func set(_ address: IPAddress, _ mac: MACAddress) {
    for server in byAddress.withLock({ $0[address] ?? [] }) where servers[server].fixedMAC == nil {
      servers[server].mac.store(mac.value, ordering: .relaxed)
    }
  }
}
