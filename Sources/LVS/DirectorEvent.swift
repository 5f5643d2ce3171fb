/// Something that an operator wants to know of, as the director saw it happen.
public indirect enum DirectorEvent: Sendable, Hashable {
  case vipTaken(IPAddress)
  case vipReleased(IPAddress)
  /// Another host answers for the VIP; `server` where its Ethernet address is a real server's.
  case vipContested(IPAddress, by: MACAddress, server: IPAddress?)
  /// Another director has the VIP; it is taken when that has let go of it.
  case vipAwaited(IPAddress, from: MACAddress)
  /// Left to another host; it is taken again when that host has let go of it.
  case vipYielded(IPAddress, to: MACAddress)
  case serverResolved(IPAddress, MACAddress)
  /// The server answered with another Ethernet address than before, after it was asked.
  case serverMoved(IPAddress, from: MACAddress, to: MACAddress)
  /// The server stopped answering ARP or neighbor discovery.
  case serverLost(IPAddress)
  case interfaceDown(String)
  case interfaceUp(String)
  case interfaceGone(String)
  /// The interface has another Ethernet address, or is a new one of the same name.
  case interfaceChanged(String, MACAddress)
  /// A real server of a service answers its checks again, with what the last said.
  case serverUp(ServiceKey, Endpoint, String)
  /// A real server of a service does not answer its checks as it should.
  case serverDown(ServiceKey, Endpoint, String)
  /// What the health of its servers makes of a service.
  case farm(ServiceKey, FarmState)
  /// How the director is connected to its interface, in words.
  case attached(String)
  /// How much its tables have room for, in words.
  case sized(String)
  /// What of an earlier process it goes on with, in words.
  case resumed(String)
  /// Something that breaks direct routing was found, or is not found any more.
  case found(Finding)
  case cured(Finding)
  /// Something that is not as it should be, said once: one line that names the thing and the way out.
  case warning(String)
  /// How often an event came again since it was told.
  case repeated(DirectorEvent, times: Int)
}

extension DirectorEvent: CustomStringConvertible {
  public var description: String {
    switch self {
    case .vipTaken(let vip): "VIP \(vip) is ours"
    case .vipReleased(let vip): "VIP \(vip) released"
    case .vipContested(let vip, let mac, nil): "VIP \(vip) is answered for by \(mac)"
    case .vipContested(let vip, let mac, let server?):
      "VIP \(vip) is answered for by \(mac), the real server \(server): its arp_ignore or arp_announce is wrong "
        + "(on it: lbctl real-server setup --vip \(vip))"
    case .vipAwaited(let vip, let mac): "VIP \(vip) is the other director's, \(mac): this one stands by"
    case .vipYielded(let vip, let mac): "VIP \(vip) is left to \(mac)"
    case .serverResolved(let server, let mac): "server \(server) is at \(mac)"
    case .serverMoved(let server, let old, let new): "server \(server) moved from \(old) to \(new)"
    case .serverLost(let server): "server \(server) does not answer"
    case .interfaceDown(let name): "interface \(name) is down"
    case .interfaceUp(let name): "interface \(name) is up"
    case .interfaceGone(let name): "interface \(name) is gone"
    case .interfaceChanged(let name, let mac): "interface \(name) has the address \(mac) now"
    case .found(let finding): "found: \(finding.seen) (\(finding.fix))"
    case .cured(let finding): "no longer so: \(finding.seen)"
    case .serverUp(let service, let server, let words): "server \(server) of \(service) is up: \(words)"
    case .serverDown(let service, let server, let words): "server \(server) of \(service) is down: \(words)"
    case .farm(let service, .normal): "service \(service) has servers that are up"
    case .farm(let service, .empty): "service \(service) has no server that is up"
    case .farm(let service, .panic):
      "service \(service) has so few servers that are up that its checks are doubted: all are used"
    case .warning(let text), .attached(let text), .sized(let text), .resumed(let text): text
    case .repeated(let event, let times): "\(times) times again: \(event)"
    }
  }

  /// Whether the operator should act on it.
  public var isWarning: Bool {
    switch self {
    case .vipContested, .vipYielded, .serverLost, .serverDown, .interfaceDown, .interfaceGone, .found, .warning: true
    case .farm(_, let state): state != .normal
    case .vipTaken, .vipReleased, .vipAwaited, .serverResolved, .serverMoved, .serverUp: false
    case .interfaceUp, .interfaceChanged, .attached, .sized, .resumed, .cured: false
    case .repeated(let event, _): event.isWarning
    }
  }
}
