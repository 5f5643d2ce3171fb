import LVS

// What is configured: services, their servers, marks, timeouts, settings.

extension IPAddress: Shaped {}
extension MACAddress: Shaped {}
extension Endpoint: Shaped {}
extension ServiceKey: Shaped {}
extension Netmask: Shaped {}
extension Prefix: Shaped {}
extension PortRange: Shaped {}
extension TransportProtocol: Shaped {}
extension ForwardingMethod: Shaped {}
extension ForwardingMethod.Kind: Shaped {}

extension SchedulerName: Shaped {
  static var shape: Shape { .text("a scheduler such as wlc") }
}

extension SettingValue: Shaped {
  static var shape: Shape { .numberOrText }
}

extension VirtualService: Described {
  static var meaning: String { "A virtual service." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .service: .always(ServiceKey.self, "The protocol with VIP and port, or the firewall mark.")
    case .scheduler: .sometimes(SchedulerName.self, "How servers are chosen, always answered; wlc.")
    case .flags: .sometimes([String].self, "Of the scheduler, as ipvsadm -b has them.")
    case .persistence: .sometimes(Persistence.self, "Whether clients stay with their server.")
    case .persistenceEngine: .sometimes(String.self, "What tells clients apart beside their address: sip.")
    case .onePacket: .sometimes(Bool.self, "Whether each datagram is scheduled by itself.")
    }
  }
}

extension Persistence: Described {
  static var meaning: String { "How long clients stay with their server, and which count as one." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .timeout: .sometimes(UInt32.self, "Seconds after the last connection, always answered; 360.")
    case .netmask: .sometimes(Netmask.self, "Clients of one network count as one; each by itself.")
    }
  }
}

extension RealServer: Described {
  static var meaning: String { "A real server." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .address:
      .always(Endpoint.self, "Its address and port; the port is the service's where a request leaves it out.")
    case .method: .sometimes(ForwardingMethod.self, "How frames reach it; direct routing (route) where it is not said.")
    case .weight: .sometimes(Int32.self, "The weight asked for, 0 to 65535; always answered. 1 where it is not said.")
    case .upperThreshold: .sometimes(UInt32.self, "Connections from which on it gets no new ones; none where not said.")
    case .lowerThreshold: .sometimes(UInt32.self, "Connections below which it gets new ones again.")
    case .mac: .sometimes(MACAddress.self, "Its Ethernet address, where it is not to be asked for.")
    case .drained: .sometimes(Bool.self, "Whether the operator drains it.")
    case .drainedWeight: .sometimes(Int32.self, "Read only: a drained server's weight, as earlier versions wrote it.")
    }
  }
}

extension FarmPolicy: Described {
  static var meaning: String { "What follows from the health of a service's servers." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .fallback: .sometimes([RealServer].self, "Servers that are used while no other is healthy.")
    case .panic: .sometimes(Percent.self, "With fewer healthy servers than this, all are used.")
    case .slowStart: .sometimes(Period.self, "How long the weight of a server that came back grows.")
    }
  }
}

extension ServiceDefinition: Described {
  static var meaning: String { "A virtual service with its servers and how they are watched." }
  static var bases: [any Described.Type] { [VirtualService.self, FarmPolicy.self] }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .checks: .sometimes([HealthCheck].self, "Of all servers that have none of their own.")
    case .discover: .sometimes(Discovery.self, "Where more servers are learned of.")
    case .servers: .sometimes([WatchedServer].self, "In the order they were added; always answered.")
    }
  }
}

extension WatchedServer: Described {
  static var meaning: String { "A real server with the checks that are its own." }
  static var bases: [any Described.Type] { [RealServer.self] }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .checks: .sometimes([HealthCheck].self, "In place of the service's.")
    }
  }
}

extension MarkRule: Described {
  static var meaning: String { "A rule that gives packets a firewall mark; the first that matches counts." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .destination: .always(Prefix.self, "VIPs: at most 256 addresses.")
    case .source: .sometimes(Prefix.self, "Clients; all where it is not said.")
    case .transport: .sometimes(TransportProtocol.self, "The protocol; any where it is not said.")
    case .ports: .sometimes(PortRange.self, "Of the destination; all where it is not said.")
    case .mark: .always(UInt32.self, "The mark, at least 1.")
    }
  }
}

extension Timeouts: Described {
  static var meaning: String { "How long idle connections are kept, in seconds; what is left out stays as it is." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .tcp: .sometimes(UInt32.self, "Established TCP connections.")
    case .tcpFin: .sometimes(UInt32.self, "TCP connections after a FIN.")
    case .udp: .sometimes(UInt32.self, "Flows of UDP.")
    }
  }
}

extension Configuration: Described {
  static var meaning: String { "All that is asked for: what a file says." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .services: .always([ServiceDefinition].self, "The virtual services, in the order they were added.")
    case .marks: .sometimes([MarkRule].self, "In order.")
    case .timeouts: .sometimes(Timeouts.self, "Those that are not the standard.")
    case .settings: .sometimes([String: SettingValue].self, "By name, those that were set.")
    }
  }
}
