import LVS

/// The layout of `ipvsadm -S`: the commands that would make the services, byte for byte (ipvsadm 1.31).
public struct RuleListing {
  /// How an address with a port is written, given the protocol.
  public var name: (Endpoint, TransportProtocol?) -> String = { endpoint, _ in endpoint.description }
  /// ipvsadm forgets connection limits when it saves. With this, they stand at the end of a server's line.
  public var showsThresholds = false

  public init() {}

  /// Services and servers in the order in which they come.
  public func text(_ services: [ServiceStatus]) -> String {
    var text = ""
    for service in services {
      text += line(service.service) + "\n"
      for server in service.servers { text += line(server.server, of: service.service.key) + "\n" }
    }
    return text
  }

  private func line(_ service: VirtualService) -> String {
    var words = ["-A", words(service.key), "-s", service.scheduler.rawValue]
    if let persistence = service.persistence {
      words += ["-p", String(persistence.timeout)]
      if persistence.netmask != .host(service.key.family) { words += ["-M", persistence.netmask.description] }
    }
    if let engine = service.persistenceEngine { words += ["--pe", engine] }
    if service.onePacket { words.append("-o") }
    if !service.flags.isEmpty {
      words += ["-b", service.flags.names(for: service.scheduler).joined(separator: ",")]
    }
    return words.joined(separator: " ")
  }

  private func line(_ server: RealServer, of key: ServiceKey) -> String {
    var words = ["-a", words(key), "-r", name(server.endpoint, key.transport), server.method.kind.letter]
    words += ["-w", String(server.weight.effective)]
    if case .tunnel(let tunnel) = server.method { words += tunnel.words }
    if showsThresholds {
      if server.upperThreshold != 0 { words += ["-x", String(server.upperThreshold)] }
      if server.lowerThreshold != 0 { words += ["-y", String(server.lowerThreshold)] }
    }
    return words.joined(separator: " ")
  }

  private func words(_ key: ServiceKey) -> String {
    switch key {
    case .endpoint(.tcp, let endpoint): "-t \(name(endpoint, .tcp))"
    case .endpoint(.udp, let endpoint): "-u \(name(endpoint, .udp))"
    case .endpoint(.sctp, let endpoint): "--sctp-service \(name(endpoint, .sctp))"
    case .fwmark(let mark, .v4): "-f \(mark)"
    case .fwmark(let mark, .v6): "-f \(mark) -6"
    }
  }
}

extension Tunnel {
  fileprivate var words: [String] {
    let flag =
      switch checksum {
      case .none: "--tun-nocsum"
      case .full: "--tun-csum"
      case .remote: "--tun-remcsum"
      }
    return switch kind {
    case .ipip: ["--tun-type", "ipip"]
    case .gue: ["--tun-type", "gue", "--tun-port", String(port), flag]
    case .gre: ["--tun-type", "gre", flag]
    }
  }
}
