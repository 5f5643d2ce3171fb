import LVS

/// What `via: vip` needs to know of the director.
public struct DirectPathOptions: Sendable {
  /// The interface that the servers are at, and the VLAN on it.
  public var interface: String
  public var vlan: UInt16?
  /// The packet mark that leads a check's packets to the TUN device, and the number of the routing table for it.
  public var mark: UInt32
  /// The address that checks of a server come from: one that the server answers to directly.
  public var source: @Sendable (IPAddress) -> IPAddress?
  /// The station that an address is reached at. Asked once an attempt, on the check thread.
  public var reach: @Sendable (IPAddress) -> Reach

  public init(
    interface: String, vlan: UInt16? = nil, source: @escaping @Sendable (IPAddress) -> IPAddress?,
    reach: @escaping @Sendable (IPAddress) -> Reach
  ) {
    (self.interface, self.vlan, self.source, self.reach) = (interface, vlan, source, reach)
    // An `l`, the VLAN and the interface's number: two directors on one host have two marks.
    mark = 0x6c00_0000 | UInt32(vlan ?? 0) << 12 | LinkSocket.index(of: interface) & 0xfff
  }
}

/// The way to a VIP at one server's station.
///
/// A check's socket is marked, so the host routes its packets to a TUN device instead of out to whoever has the VIP. They
/// come out of it here, and go on in a frame to the station that was asked for with the socket's port. The replies, from
/// the VIP to the director's own address, come by the host's stack as any do. It belongs to the check thread.
final class DirectPath {
  private let options: DirectPathOptions
  private let routes: PolicyRoutes
  let tunnel: TunnelDevice
  private let link: LinkSocket
  /// By protocol and port, where packets from it go.
  private var stations: [FlowName: MACAddress] = [:]
  /// Packets of nobody's, such as what the host itself says on a new device.
  private(set) var stray: UInt64 = 0

  init(_ options: DirectPathOptions) throws(CallFailure) {
    self.options = options
    link = try LinkSocket(interface: options.interface, vlan: options.vlan)
    tunnel = try TunnelDevice(name: "lbcheck%d")
    routes = try PolicyRoutes(device: tunnel.index, mark: options.mark, mtu: try link.mtu())
    try routes.bringUp()
  }

  /// Has a socket's packets go to the target's server, from whose answers it is known to be asked.
  ///
  /// - Returns: why the target cannot be asked now; nil where all is set.
  func prepare(_ socket: CheckSocket, to target: CheckTarget, echo identifier: UInt16?) throws(CallFailure) -> Outcome?
  {
    let server = target.name.server.address
    guard let source = options.source(server) else {
      return .unclear("the director has no \(server.family == .v4 ? "IPv4" : "IPv6") address to ask from")
    }
    let station: MACAddress
    switch target.mac.map(Reach.station) ?? options.reach(server) {
    case .station(let mac): station = mac
    case .sought: return .unclear("\(server) is being resolved")
    case .silent: return .bad("\(server) does not answer \(server.family == .v4 ? "ARP" : "neighbor discovery")")
    }
    try routes.require(server.family)
    try socket.mark(options.mark)
    let port = try socket.bind(to: source)
    stations[FlowName(socket.transport, identifier ?? port)] = station
    return nil
  }

  /// Sets up again what somebody else may have taken away, such as a network manager that was restarted.
  func uphold() throws(CallFailure) { try routes.uphold() }

  /// Sends on what has come out of the device: a batch at most, so that all else has its turn.
  func forward() {
    for _ in 0..<64 {
      guard let packet = tunnel.receive() else { return }
      guard let flow = FlowName(packet), let station = stations[flow] else {
        stray += 1
        continue
      }
      link.send(packet, to: station)
    }
  }
}

/// What tells one check's packets from another's: the protocol with the source port, or with the identifier of an echo.
struct FlowName: Hashable {
  let transport: CheckSocket.Transport
  let number: UInt16

  init(_ transport: CheckSocket.Transport, _ number: UInt16) { (self.transport, self.number) = (transport, number) }

  /// Of a packet that this host made; nil where it is no check's.
  init?(_ packet: [UInt8]) {
    guard let first = packet.first else { return nil }
    let (kind, start) = first >> 4 == 4 ? (9, Int(first & 15) * 4) : (6, 40)
    guard packet.count >= start + 8 else { return nil }
    func word(_ place: Int) -> UInt16 { UInt16(packet[place]) << 8 | UInt16(packet[place + 1]) }
    switch packet[kind] {
    case 6: self.init(.stream, word(start))
    case 17: self.init(.datagram, word(start))
    case 1 where packet[start] == EchoMessage.v4Request, 58 where packet[start] == EchoMessage.v6Request:
      self.init(.echo, word(start + 4))
    default: return nil
    }
  }
}
