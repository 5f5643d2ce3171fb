import LVS

/// The layouts of `ipvsadm -L -n`, byte for byte (ipvsadm 1.31), trailing blanks included.
public enum ServiceListing: Sendable, CaseIterable {
  case plain
  case statistics
  case rates
  case thresholds
  case persistentConnections
  case tunnels

  /// What may vary within a layout.
  public struct Style {
    /// `--exact`: large numbers in full.
    public var isExact = false
    /// Otherwise services and servers stand in the order in which they come.
    public var isSorted = true
    /// How an address with a port is written, given the protocol; nil for that of a firewall mark.
    public var name: (Endpoint, TransportProtocol?) -> String = { endpoint, _ in endpoint.description }

    public init() {}
  }

  /// - Parameters:
  ///   - size: what the first line calls the size of the connection table.
  ///   - isWhole: whether the first line is printed; ipvsadm leaves it out where one service was asked for.
  public func text(
    _ services: [ServiceStatus], size: Int = 4096, isWhole: Bool = true, style: Style = Style()
  ) -> String {
    head(size: isWhole ? size : nil)
      + rows(style.isSorted ? ListingOrder.sorted(services) : services, style: style)
  }

  /// - Parameter size: what the first line calls the size of the connection table; nil leaves the line out.
  public func head(size: Int?) -> String {
    let version = size.map { "IP Virtual Server version 1.2.1 (size=\($0))\n" } ?? ""
    return version + title.map { $0 + "\n" }.joined()
  }

  /// The services, in the order in which they come.
  public func rows(_ services: [ServiceStatus], style: Style = Style()) -> String {
    var text = ""
    for service in services { append(service, style, to: &text) }
    return text
  }

  private var title: [String] {
    switch self {
    case .plain:
      [
        "Prot LocalAddress:Port Scheduler Flags",
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
      ]
    case .statistics: counterTitle(["Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"])
    case .rates: counterTitle(["CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"])
    case .thresholds:
      ["Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn ", "  -> RemoteAddress:Port"]
    case .tunnels:
      [
        "Prot LocalAddress:Port Scheduler Flags",
        "  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn",
      ]
    case .persistentConnections:
      ["Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn ", "  -> RemoteAddress:Port"]
    }
  }

  private func counterTitle(_ names: [String]) -> [String] {
    ["Prot LocalAddress:Port".left(33) + names.map { " " + $0.right(8) }.joined(), "  -> RemoteAddress:Port"]
  }

  private func append(_ status: ServiceStatus, _ style: Style, to text: inout String) {
    let servers = style.isSorted ? ListingOrder.withSortedServers(status).servers : status.servers
    let key = status.service.key
    let name = key.listingName(style)
    let head =
      switch self {
      case .statistics: name.left(33) + status.statistics.listing(style)
      case .rates: name.left(33) + status.rates.listing(style)
      case .plain, .thresholds, .persistentConnections, .tunnels: name + " " + status.service.listingSettings
      }
    text += head + "\n"
    for server in servers {
      let endpoint = server.server.endpoint
      let name = style.name(endpoint, key.transport)
      let cut = endpoint.address.family == .v4 ? String(name.prefix(28)) : name
      text += "  -> " + cut.left(28) + row(server, style) + "\n"
    }
  }

  private func row(_ status: ServerStatus, _ style: Style) -> String {
    let server = status.server
    let counts = "\(status.activeConnections.left(10)) \(status.inactiveConnections.left(10))"
    let method = server.method.name.left(7)
    return switch self {
    case .plain: " \(method) \(status.effectiveWeight.left(6)) \(counts)"
    case .statistics: status.statistics.listing(style)
    case .rates: status.rates.serverListing(style)
    case .thresholds: " \(server.upperThreshold.left(10)) \(server.lowerThreshold.left(10)) \(counts)"
    case .persistentConnections:
      " \(status.effectiveWeight.left(9)) \(status.persistentConnections.left(11)) \(counts)"
    case .tunnels: " \(method) \(server.method.tunnelListing.left(13)) \(status.effectiveWeight.left(6)) \(counts)"
    }
  }
}

extension ForwardingMethod {
  fileprivate var tunnelListing: String {
    if case .tunnel(let tunnel) = self { tunnel.description } else { "n/a" }
  }
}

extension ServiceKey {
  /// `TCP  192.0.2.1:80`, `FWM  7`, `FWM  7 IPv6`. An IPv4 name is cut at 33 letters.
  fileprivate func listingName(_ style: ServiceListing.Style) -> String {
    switch self {
    case .endpoint(let transport, let endpoint):
      let text = "\(transport.name.uppercased().left(4)) \(style.name(endpoint, transport))"
      return endpoint.address.family == .v4 ? String(text.prefix(33)) : text
    case .fwmark(let mark, .v4): return "FWM  \(mark)"
    case .fwmark(let mark, .v6): return "FWM  \(mark) IPv6"
    }
  }

  var transport: TransportProtocol? {
    if case .endpoint(let transport, _) = self { transport } else { nil }
  }
}

extension VirtualService {
  /// What follows the name: the scheduler with its flags, persistence, engine, one-packet.
  fileprivate var listingSettings: String {
    var words = [scheduler.rawValue]
    let flagNames = flags.names(for: scheduler)
    if !flagNames.isEmpty { words.append("(\(flagNames.joined(separator: ",")))") }
    if let persistence {
      words.append("persistent \(persistence.timeout)")
      if persistence.netmask != .host(key.family) { words.append("mask \(persistence.netmask)") }
    }
    if let persistenceEngine { words.append("pe \(persistenceEngine)") }
    if onePacket { words.append("ops") }
    return words.joined(separator: " ")
  }
}

extension Statistics {
  fileprivate func listing(_ style: ServiceListing.Style) -> String {
    [connections, packets, outPackets, bytes, outBytes].map { number($0, style) }.joined()
  }
}

extension Rates {
  fileprivate func listing(_ style: ServiceListing.Style) -> String {
    [connections, packets, outPackets, bytes, outBytes].map { number($0, style) }.joined()
  }

  /// A server's row shortens only the bytes.
  fileprivate func serverListing(_ style: ServiceListing.Style) -> String {
    [connections, packets, outPackets].map { " " + $0.right(8) }.joined()
      + [bytes, outBytes].map { number($0, style) }.joined()
  }
}

private func number(_ value: UInt64, _ style: ServiceListing.Style) -> String {
  style.isExact ? " " + value.right(8) : largeNumber(value)
}

/// ipvsadm's `print_largenum`: nine columns, shortened from 10^8 on.
func largeNumber(_ value: UInt64) -> String {
  switch value {
  case ..<100_000_000: value.right(9)
  case ..<1_000_000_000: (value / 1000).right(8) + "K"
  case ..<100_000_000_000: (value / 1_000_000).right(8) + "M"
  case ..<100_000_000_000_000: (value / 1_000_000_000).right(8) + "G"
  default: (value / 1_000_000_000_000).right(8) + "T"
  }
}
