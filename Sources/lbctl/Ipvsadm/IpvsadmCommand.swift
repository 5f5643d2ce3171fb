import IPVSMessages
import KernelIPVS
import LVS

/// A command line of ipvsadm, understood and found legal.
struct IpvsadmCommand {
  var verb: IpvsadmVerb
  var options: Set<IpvsadmOption> = []
  var key = NamedService()
  var scheduler = ""
  var persistence: UInt32?
  var onePacket = false
  var engine: String?
  var flags: SchedulerFlags = []
  /// The real server's address and port, as they were given.
  var server: (address: IPAddress?, port: UInt16) = (nil, 0)
  var method = ForwardingMethod.route
  var weight: Int32 = 1
  var upperThreshold: UInt32 = 0
  var lowerThreshold: UInt32 = 0
  var tunnelKind = "ipip"
  var tunnelPort: UInt16 = 0
  var daemon = SyncDaemon(.master)
  var timeouts = Timeouts()

  /// The service in the making: ipvsadm lets later words change what earlier ones said.
  struct NamedService {
    var transport: TransportProtocol?
    var address: IPAddress?
    var port: UInt16 = 0
    var mark: UInt32 = 0
    var markFamily = IPAddress.Family.v4
    var netmask: Netmask?

    /// nil before a service was named.
    var family: IPAddress.Family? { mark != 0 ? markFamily : address?.family }

    /// nil where none was named.
    var key: ServiceKey? {
      if mark != 0 { return .fwmark(mark, markFamily) }
      guard let address else { return nil }
      return .endpoint(transport ?? .tcp, Endpoint(address, port))
    }
  }

  var service: VirtualService? {
    guard let key = key.key else { return nil }
    let scheduler = SchedulerName(rawValue: self.scheduler.isEmpty ? "wlc" : self.scheduler)
    var service = VirtualService(key, scheduler: scheduler, flags: flags)
    service.persistence = persistence.map {
      Persistence(timeout: $0, netmask: self.key.netmask ?? .host(key.family))
    }
    service.persistenceEngine = engine
    service.onePacket = onePacket
    return service
  }

  var realServer: RealServer? {
    guard let address = server.address else { return nil }
    var server = RealServer(Endpoint(address, server.port), method: method, weight: Weight(weight))
    (server.upperThreshold, server.lowerThreshold) = (upperThreshold, lowerThreshold)
    if case .tunnel = method { server.method = .tunnel(tunnel) }
    return server
  }

  private var tunnel: Tunnel {
    let kinds = ["ipip": Tunnel.Kind.ipip, "gue": .gue, "gre": .gre]
    let checksum: Tunnel.Checksum = options.contains(.tunCsum) ? .full : options.contains(.tunRemcsum) ? .remote : .none
    return Tunnel(kind: kinds[tunnelKind] ?? .ipip, port: tunnelPort, checksum: checksum)
  }
}
