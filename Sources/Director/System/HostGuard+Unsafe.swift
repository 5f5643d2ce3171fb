import CNFTables
import Glibc
import LVS

/// Keeps the host's own IP stack from seeing frames for the VIPs.
///
/// With `ip_forward` on, the host would answer them too: with redirects, ARP for the VIP, duplicates. A drop at the
/// interface's ingress, behind the tap that the director listens at, prevents it. The table belongs to this process's
/// netlink socket: the kernel removes it when that closes, however the process ends.
@safe final class HostGuard: @unchecked Sendable {
  private let context: OpaquePointer
  private let table: String
  private var guarded: Set<IPAddress> = []

  /// What each rule begins with: the VLAN, where the director works on one.
  private let place: (ipv4: String, ipv6: String, arp: String)

  /// Sets the guard up on an interface, and on one of its VLANs where there is one, guarding nothing yet.
  init(interface: String, vlan: UInt16?) throws(PlaneError) {
    guard let context = unsafe nft_ctx_new(UInt32(NFT_CTX_DEFAULT)) else {
      throw .unavailable("no netlink socket for nftables")
    }
    unsafe self.context = context
    unsafe nft_ctx_buffer_output(context)
    unsafe nft_ctx_buffer_error(context)
    table = "netdev lbd-\(getpid())"
    func place(_ type: String) -> String { vlan.map { "vlan id \($0) vlan type \(type) " } ?? "" }
    self.place = (place("ip"), place("ip6"), place("arp"))
    try setUp(interface)
  }

  /// Guards the same addresses at an interface that is new under its name: the kernel took the old one's chain away.
  func renew(interface: String) throws(PlaneError) {
    // The kernel may have taken the table away as well; what stays in the way otherwise is told by `setUp`.
    try? run("delete table \(table)")
    try setUp(interface)
    let addresses = guarded
    guarded = []
    try protect(addresses)
  }

  private func setUp(_ interface: String) throws(PlaneError) {
    try run(
      """
      add table \(table) { flags owner; }
      add set \(table) v4 { type ipv4_addr; }
      add set \(table) v6 { type ipv6_addr; }
      add chain \(table) ingress { type filter hook ingress device "\(interface)" priority -500; policy accept; }
      add rule \(table) ingress \(place.ipv4)ip daddr @v4 drop
      add rule \(table) ingress \(place.ipv6)ip6 daddr @v6 drop
      add rule \(table) ingress \(place.arp)arp daddr ip @v4 drop
      """)
  }

  deinit {
    unsafe nft_ctx_free(context)
  }

  /// Guards these addresses and no others.
  func protect(_ addresses: Set<IPAddress>) throws(PlaneError) {
    func elements(_ verb: String, _ addresses: Set<IPAddress>) -> [String] {
      IPAddress.Family.allCases.compactMap { family in
        let list = addresses.filter { $0.family == family }.map(\.description).sorted().joined(separator: ", ")
        return list.isEmpty ? nil : "\(verb) element \(table) v\(family.rawValue) { \(list) }"
      }
    }
    let commands = elements("add", addresses.subtracting(guarded)) + elements("delete", guarded.subtracting(addresses))
    guard !commands.isEmpty else { return }
    try run(commands.joined(separator: "\n"))
    guarded = addresses
  }

  private func run(_ commands: String) throws(PlaneError) {
    guard unsafe nft_run_cmd_from_buffer(context, commands) != 0 else { return }
    let message = unsafe nft_ctx_get_error_buffer(context).map { unsafe String(cString: $0) } ?? ""
    let line = message.split(separator: "\n").first.map(String.init) ?? "refused"
    throw .unavailable("the host guard needs nftables and CAP_NET_ADMIN (\(line)); --no-host-guard does without it")
  }
}
