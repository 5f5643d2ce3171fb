/// Something that an operator wants to know of, as the director saw it happen.
public enum DirectorEvent: Sendable, Hashable {
  case vipTaken(IPAddress)
  case vipReleased(IPAddress)
  /// Another host answers for the VIP.
  case vipContested(IPAddress, by: MACAddress)
  case serverResolved(IPAddress, MACAddress)
  /// The server answered with another Ethernet address than before, after it was asked.
  case serverMoved(IPAddress, from: MACAddress, to: MACAddress)
  /// The server stopped answering ARP or neighbour discovery.
  case serverLost(IPAddress)
  case interfaceDown(String)
  case interfaceUp(String)
  /// Something that is not as it should be, said once: one line that names the thing and the way out.
  case warning(String)
}

extension DirectorEvent: CustomStringConvertible {
  public var description: String {
    switch self {
    case .vipTaken(let vip): "VIP \(vip) is ours"
    case .vipReleased(let vip): "VIP \(vip) released"
    case .vipContested(let vip, let mac): "VIP \(vip) is answered for by \(mac)"
    case .serverResolved(let server, let mac): "server \(server) is at \(mac)"
    case .serverMoved(let server, let old, let new): "server \(server) moved from \(old) to \(new)"
    case .serverLost(let server): "server \(server) does not answer"
    case .interfaceDown(let name): "interface \(name) is down"
    case .interfaceUp(let name): "interface \(name) is up"
    case .warning(let text): text
    }
  }

  /// Whether the operator should act on it.
  public var isWarning: Bool {
    switch self {
    case .vipContested, .serverLost, .interfaceDown, .warning: true
    case .vipTaken, .vipReleased, .serverResolved, .serverMoved, .interfaceUp: false
    }
  }
}
