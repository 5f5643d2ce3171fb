import LVS

/// The layouts of `ipvsadm -L -n`, byte for byte (ipvsadm 1.31), trailing blanks included.
public enum ServiceListing: Sendable, CaseIterable {
  case plain
  case statistics
  case rates
  case thresholds
  case persistentConnections

  /// - Parameters:
  ///   - size: what the first line calls the size of the connection table.
  ///   - isWhole: whether the first line is printed; ipvsadm leaves it out where one service was asked for.
  public func text(_ services: [ServiceStatus], size: Int = 4096, isWhole: Bool = true) -> String {
    let version = isWhole ? ["IP Virtual Server version 1.2.1 (size=\(size))"] : []
    let sorted = services.sorted { $0.service.key < $1.service.key }
    return (version + title + sorted.flatMap(lines)).map { $0 + "\n" }.joined()
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
    case .persistentConnections:
      ["Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn ", "  -> RemoteAddress:Port"]
    }
  }

  private func counterTitle(_ names: [String]) -> [String] {
    ["Prot LocalAddress:Port".left(33) + names.map { " " + $0.right(8) }.joined(), "  -> RemoteAddress:Port"]
  }

  private func lines(_ status: ServiceStatus) -> [String] {
    let servers = status.servers.sorted { $0.server.endpoint < $1.server.endpoint }
    let name = status.service.key.listingName
    let head =
      switch self {
      case .statistics: name.left(33) + status.statistics.listing
      case .rates: name.left(33) + status.rates.listing
      case .plain, .thresholds, .persistentConnections: name + " " + status.service.listingSettings
      }
    return [head] + servers.map { "  -> " + $0.server.endpoint.description.left(28) + row($0) }
  }

  private func row(_ status: ServerStatus) -> String {
    let server = status.server
    let counts = "\(status.activeConnections.left(10)) \(status.inactiveConnections.left(10))"
    return switch self {
    case .plain: " \(server.method.name.left(7)) \(server.weight.left(6)) \(counts)"
    case .statistics: status.statistics.listing
    case .rates: status.rates.serverListing
    case .thresholds: " \(server.upperThreshold.left(10)) \(server.lowerThreshold.left(10)) \(counts)"
    case .persistentConnections: " \(server.weight.left(9)) \(status.persistentConnections.left(11)) \(counts)"
    }
  }
}

extension ServiceKey {
  /// `TCP  192.0.2.1:80`, `FWM  7`, `FWM  7 IPv6`.
  fileprivate var listingName: String {
    switch self {
    case .endpoint(let transport, let endpoint): "\(transport.name.uppercased().left(4)) \(endpoint)"
    case .fwmark(let mark, .v4): "FWM  \(mark)"
    case .fwmark(let mark, .v6): "FWM  \(mark) IPv6"
    }
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
  fileprivate var listing: String {
    [connections, packets, outPackets, bytes, outBytes].map(largeNumber).joined()
  }
}

extension Rates {
  fileprivate var listing: String {
    [connections, packets, outPackets, bytes, outBytes].map(largeNumber).joined()
  }

  /// A server's row shortens only the bytes.
  fileprivate var serverListing: String {
    [connections, packets, outPackets].map { " " + $0.right(8) }.joined() + [bytes, outBytes].map(largeNumber).joined()
  }
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
