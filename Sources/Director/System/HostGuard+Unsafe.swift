import CNFTables
import Glibc
import LVS

/// Keeps the host's own IP stack from seeing frames for the VIPs.
///
/// With `ip_forward` on, the host would answer them too: with redirects, ARP for the VIP, duplicates. A drop at the
/// interface's ingress, behind the tap that the director listens at, prevents it.
///
/// The rules are in force by a lease: the one element of a set, which the kernel takes away when it has run out. A process
/// that dies leaves the host guarded for so long, and then a table that does nothing, which the next one takes over.
@safe final class HostGuard: @unchecked Sendable {
  private let context: OpaquePointer
  private let table: String
  /// Seconds.
  private let lease: Int
  private var interface: String
  /// nil while it is not known what an earlier process guarded, which is guarded still.
  private var guarded: Set<IPAddress>?
  /// Whether the table is to outlast this.
  private var isLeft = false
  /// When the lease was extended, in milliseconds.
  private var extended: UInt64 = 0

  /// What each rule begins with: the VLAN, where the director works on one.
  private let place: (ipv4: String, ipv6: String, arp: String)

  /// Sets the guard up on an interface, and on one of its VLANs where there is one.
  ///
  /// - Parameters:
  ///   - lease: seconds for which it is in force from the last `extend` on.
  ///   - goesOn: whether what an earlier process guarded is guarded until the first `protect`; else nothing is.
  init(interface: String, vlan: UInt16?, lease: Int, goesOn: Bool) throws(PlaneError) {
    guard let context = unsafe nft_ctx_new(UInt32(NFT_CTX_DEFAULT)) else {
      throw .unavailable("no netlink socket for nftables")
    }
    unsafe self.context = context
    unsafe nft_ctx_buffer_output(context)
    unsafe nft_ctx_buffer_error(context)
    (table, self.lease, self.interface) = (Self.table(interface, vlan), lease, interface)
    func place(_ type: String) -> String { vlan.map { "vlan id \($0) vlan type \(type) " } ?? "" }
    self.place = (place("ip"), place("ip6"), place("arp"))
    do throws(PlaneError) {
      try setUp(goesOn: goesOn)
    } catch {
      // What is there may be another version's, or of an interface that is gone.
      remove()
      try setUp(goesOn: false)
    }
    if !goesOn { guarded = [] }
  }

  /// Of letters, digits, dots and dashes, as nftables wants names.
  private static func table(_ interface: String, _ vlan: UInt16?) -> String {
    let name = interface.utf8.map { byte in
      let letter = Character(UnicodeScalar(byte))
      return letter.isASCII && (letter.isLetter || letter.isNumber || "-.".contains(letter)) ? "\(letter)" : "_\(byte)"
    }
    return "netdev lbd-\(name.joined())" + (vlan.map { ".\($0)" } ?? "")
  }

  /// Guards the same addresses at an interface that is new under its name: the kernel took the old one's chain away.
  func renew(interface: String) throws(PlaneError) {
    self.interface = interface
    // The kernel may have taken the table away as well; what stays in the way otherwise is told by `setUp`.
    remove()
    try setUp(goesOn: false)
    let addresses = guarded ?? []
    guarded = []
    try protect(addresses)
  }

  /// All at once: what a table that is there lacks is added, its rules are replaced, and its addresses stay where it
  /// goes on with them.
  private func setUp(goesOn: Bool) throws(PlaneError) {
    let flushing = goesOn ? "" : "flush set \(table) v4\nflush set \(table) v6"
    try run(
      """
      add table \(table)
      add set \(table) v4 { type ipv4_addr; }
      add set \(table) v6 { type ipv6_addr; }
      add set \(table) lease { type ifname; flags timeout; }
      add chain \(table) ingress { type filter hook ingress device "\(interface)" priority -500; policy accept; }
      flush chain \(table) ingress
      \(flushing)
      add rule \(table) ingress \(place.ipv4)ip daddr @v4 iifname @lease drop
      add rule \(table) ingress \(place.ipv6)ip6 daddr @v6 iifname @lease drop
      add rule \(table) ingress \(place.arp)arp daddr ip @v4 iifname @lease drop
      \(lengthening)
      """)
    extended = Clock.milliseconds
  }

  /// The element gets another timeout by being another one: older kernels change none.
  private var lengthening: String {
    let element = "element \(table) lease { \"\(interface)\""
    return "add \(element) timeout \(lease)s }\ndelete \(element) }\nadd \(element) timeout \(lease)s }"
  }

  deinit {
    if !isLeft { remove() }
    unsafe nft_ctx_free(context)
  }

  /// Has the lease run anew where a third of it is over. To be called every second.
  func extend() throws(PlaneError) {
    guard Clock.milliseconds - extended >= UInt64(lease) * 1_000 / 3 else { return }
    do throws(PlaneError) {
      try run(lengthening)
      extended = Clock.milliseconds
    } catch {
      // Somebody took the table away, as `nft flush ruleset` does.
      try renew(interface: interface)
    }
  }

  /// Ends the guard.
  ///
  /// - Parameter isLeft: whether it stays until the lease has run out, or another process goes on with it.
  func end(isLeft: Bool) {
    if !isLeft { remove() }
    self.isLeft = true
  }

  /// What is gone already needs no removal; where it fails otherwise, the lease ends what it does.
  private func remove() { try? run("delete table \(table)") }

  /// Guards these addresses and no others.
  func protect(_ addresses: Set<IPAddress>) throws(PlaneError) {
    func elements(_ verb: String, _ addresses: Set<IPAddress>) -> [String] {
      IPAddress.Family.allCases.compactMap { family in
        let list = addresses.filter { $0.family == family }.map(\.description).sorted().joined(separator: ", ")
        return list.isEmpty ? nil : "\(verb) element \(table) v\(family.rawValue) { \(list) }"
      }
    }
    let flushing = guarded == nil ? ["flush set \(table) v4", "flush set \(table) v6"] : []
    let before = guarded ?? []
    let commands =
      flushing + elements("add", addresses.subtracting(before)) + elements("delete", before.subtracting(addresses))
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
