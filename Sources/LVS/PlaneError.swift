/// Why a plane refused. Each prints as one line that names the thing and the way out.
public enum PlaneError: Error, Hashable, Sendable {
  case serviceExists(ServiceKey)
  case noSuchService(ServiceKey)
  case serverExists(Endpoint, ServiceKey)
  case noSuchServer(Endpoint, ServiceKey)
  case unknownScheduler(String)
  case unknownEngine(String)
  case outOfRange(String)
  case invalid(String)
  /// What the address is meant for, and the address.
  case notUnicast(String, IPAddress)
  /// Another host answers for the VIP.
  case vipContested(IPAddress, MACAddress)
  /// The VIP is configured on the director's own host.
  case vipOnHost(IPAddress, String)
  case notSupported(String)
  case unavailable(String)
  case full(String)
  /// A sync daemon of the role runs, or none does.
  case syncRuns(SyncDaemon.Role)
  case noSync(SyncDaemon.Role)
}

extension PlaneError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .serviceExists(let key): "service \(key) already exists (edit-service changes it)"
    case .noSuchService(let key): "no service \(key) (add-service makes one; list shows what there is)"
    case .serverExists(let server, let key): "service \(key) already has the real server \(server) (edit-rs changes it)"
    case .noSuchServer(let server, let key): "service \(key) has no real server \(server) (list shows what there is)"
    case .unknownScheduler(let name):
      "unknown scheduler '\(name)' (there are \(SchedulerName.all.map(\.rawValue).joined(separator: ", ")))"
    case .unknownEngine(let name): "unknown persistence engine '\(name)' (sip is the only one)"
    case .outOfRange(let what), .invalid(let what), .notSupported(let what), .unavailable(let what), .full(let what):
      what
    case .syncRuns(let role): "a sync \(role) runs already (ipvsadm --stop-daemon \(role) ends it)"
    case .noSync(let role): "no sync \(role) runs (ipvsadm --start-daemon \(role) starts one)"
    case .notUnicast(let what, let address): "\(what) \(address) is not a unicast address"
    case .vipContested(let vip, let mac):
      "\(vip) is answered for by \(mac): take it off that host, set arp_ignore=1 there if it is a real server, "
        + "or take it all the same (add-service --force)"
    case .vipOnHost(let vip, let interface):
      "\(vip) is configured on this host (interface \(interface)): remove it there, the director answers for it itself"
    }
  }
}
