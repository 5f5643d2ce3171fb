import CLinux
import LVS

/// How a director is set up.
public struct DirectorOptions: Sendable {
  public var interface: String
  /// The address that asks for real servers; nil for the interface's own.
  public var address: IPAddress?
  /// The 802.1Q VLAN that the director works on; nil for untagged frames.
  public var vlan: UInt16?
  public var workers = 1
  /// Through AF_XDP; nil for packet sockets.
  public var xdp: XDPMode?
  /// Whether established flows are forwarded by the XDP program itself, where the interface can.
  public var offloadsFlows = true
  /// Connections of all workers together at most; nil for as many as fit into a sixteenth of the machine's memory.
  public var connections: Int?
  /// Persistence templates at most; nil for as many as connections.
  public var templates: Int?
  /// Whether no VIP is taken before that is asked for.
  public var standsBy = false
  /// Probes for another owner before a VIP is taken, and milliseconds between two.
  public var probeCount = 3
  public var probeInterval = 200
  /// Announcements of a VIP just taken, milliseconds between two, and seconds between those that refresh.
  public var announceCount = 3
  public var announceInterval = 1_000
  public var announceRefresh = 60
  /// Whether a VIP is given up to a host that claims it again after it was defended.
  public var yieldsConflicts = false
  /// The VIPs' own station; nil for the interface's.
  public var virtualMAC: MACAddress?
  /// Other directors, by station and by address: a VIP that one of them announces is theirs.
  public var peerStations: Set<MACAddress> = []
  public var peerAddresses: Set<IPAddress> = []
  /// Seconds between two looks for what breaks direct routing; 0: only when asked.
  public var checkInterval = 60
  /// Whether packets for a VIP that nothing wants are answered with resets and errors.
  public var unclaimedReject = true
  /// Whether the host's own stack is kept from seeing the VIPs' frames.
  public var hostGuard = true
  /// What signs sync datagrams; nil for none.
  public var syncKey: [UInt8]?
  /// Whether a sync master tells of every connection at once, and answers who asks for all; whether a backup asks.
  public var syncAll = false

  /// Seconds for which what is in the kernel goes on alone when the process has died: the host guard, and the flows
  /// that the XDP program forwards.
  public var orphanLease = 30
  /// Where the workers' sockets wait for the process after this one; nil where they end with it.
  public var stored: StoredDescriptors?

  public init(interface: String) {
    self.interface = interface
  }
}

/// What follows from them.
extension DirectorOptions {
  /// Connections that there is room for where nothing else is said, whatever the memory.
  static let leastRoom = 1 << 20

  var room: Int {
    connections ?? min(max(Int(Memory.size) / 16 / ConnectionTable.bytesPerRecord, Self.leastRoom), 1 << 30)
  }

  func link(on interface: Interface) -> Link {
    Link(
      mac: virtualMAC ?? interface.mac, mtu: interface.mtu, addresses: interface.addresses.map(\.address),
      rejectsUnclaimed: unclaimedReject,
      leavesChecksums: xdp != nil)
  }

  /// Whether a plane could be opened, as far as that can be told while another process has the interface.
  ///
  /// - Throws: what hinders it.
  public func check() throws(PlaneError) {
    _ = try Interface.read(interface)
    try requireCapabilities()
  }

  /// Asked for ahead, since the library behind the host guard has words of its own for it.
  func requireCapabilities() throws(PlaneError) {
    var needed = [("CAP_NET_RAW", CAP_NET_RAW)]
    if hostGuard || xdp != nil { needed.append(("CAP_NET_ADMIN", CAP_NET_ADMIN)) }
    if xdp != nil { needed.append(("CAP_BPF", CAP_BPF)) }
    let missing = needed.filter { cl_has_capability($0.1) == 0 }.map(\.0)
    guard missing.isEmpty else {
      throw .unavailable("lbd lacks \(missing.joined(separator: " and ")): run it as root, or see systemd/lbd.service")
    }
  }
}
