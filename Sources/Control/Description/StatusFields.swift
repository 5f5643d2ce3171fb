import LVS

// What runs, and what it counted.

extension Finding.Kind: Shaped {}
extension NeighborStatus.State: Shaped {}
extension VIPStatus.State: Shaped {}
extension TableStatus.Name: Shaped {}
extension SyncDaemon.Role: Shaped {}
extension Capabilities.Plane: Shaped {}
extension Capabilities.Feature: Shaped {}

extension ServiceStatus: Described {
  static var meaning: String { "A virtual service as it runs." }
  static var bases: [any Described.Type] { [VirtualService.self] }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .statistics: .always(Statistics.self, "What went through.")
    case .rates: .always(Rates.self, "How fast.")
    case .servers: .always([ServerStatus].self, "The newest first.")
    }
  }
}

extension ServerStatus: Described {
  static var meaning: String { "A real server as it runs." }
  static var bases: [any Described.Type] { [RealServer.self] }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .activeConnections: .always(UInt32.self, "Established connections.")
    case .inactiveConnections: .always(UInt32.self, "Connections in any other state.")
    case .persistentConnections: .always(UInt32.self, "Persistence templates.")
    case .isOverloaded: .always(Bool.self, "Whether it is above its upper threshold.")
    case .statistics: .always(Statistics.self, "What was sent to it.")
    case .rates: .always(Rates.self, "How fast.")
    case .resolvedMAC: .sometimes(MACAddress.self, "Its Ethernet address, where it is known.")
    case .weight: .always(Int32.self, "The weight that schedulers go by.")
    case .configuredWeight: .always(Int32.self, "The weight asked for.")
    case .weightHeldBy: .sometimes([Weight.Hold].self, "What holds it below the one asked for.")
    case .isDiscovered: .sometimes(Bool.self, "Whether a discovery found it; left out where the operator named it.")
    }
  }
}

extension Statistics: Described {
  static var meaning: String { "What went through since it was zeroed." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .connections: .always(UInt64.self, "Connections.")
    case .packets: .always(UInt64.self, "Packets from clients.")
    case .bytes: .always(UInt64.self, "Bytes from clients, IP headers included, Ethernet's not.")
    case .outPackets: .always(UInt64.self, "Packets to clients, which direct routing does not see.")
    case .outBytes: .always(UInt64.self, "Bytes to clients, which direct routing does not see.")
    }
  }
}

extension Rates: Described {
  static var meaning: String { "How fast it goes, averaged as the kernel does over some seconds." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .connections: .always(UInt64.self, "Connections a second.")
    case .packets: .always(UInt64.self, "Packets a second from clients.")
    case .bytes: .always(UInt64.self, "Bytes a second from clients.")
    case .outPackets: .always(UInt64.self, "Packets a second to clients.")
    case .outBytes: .always(UInt64.self, "Bytes a second to clients.")
    }
  }
}

extension Traffic: Described {
  static var meaning: String { "What went through the whole director, removed services included." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .statistics: .always(Statistics.self, "What went through.")
    case .rates: .always(Rates.self, "How fast.")
    }
  }
}

extension ConnectionStatus: Described {
  static var meaning: String { "One connection, or one persistence template." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .transport: .always(String.self, "tcp, udp, sctp; ip for a firewall mark's template.")
    case .client: .always(Endpoint.self, "The client's address and port; a template's port is 0.")
    case .virtual: .always(Endpoint.self, "The VIP and its port; of a firewall mark's template the mark as an address.")
    case .server: .always(Endpoint.self, "The real server's.")
    case .state: .always(String.self, "As the kernel calls it: ESTABLISHED, FIN_WAIT, UDP.")
    case .expires: .always(UInt32.self, "Seconds until it ends, if nothing comes.")
    case .isTemplate: .always(Bool.self, "Whether it is a persistence template.")
    }
  }
}

extension NeighborStatus: Described {
  static var meaning: String { "A real server's address on the LAN." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .address: .always(IPAddress.self, "The address.")
    case .mac: .sometimes(MACAddress.self, "The Ethernet address, where it is known.")
    case .state: .always(NeighborStatus.State.self, "How far it is known.")
    case .confirmed: .sometimes(UInt32.self, "Seconds since it last answered.")
    }
  }
}

extension VIPStatus: Described {
  static var meaning: String { "A VIP that the director has, or is about to have." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .address: .always(IPAddress.self, "The VIP.")
    case .state: .always(VIPStatus.State.self, "Who has it.")
    case .otherOwner: .sometimes(MACAddress.self, "The other host that has it.")
    }
  }
}

extension WorkerStatus: Described {
  static var meaning: String { "What one worker thread did since it started." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .id: .always(Int.self, "Its number, from 0.")
    case .processor: .sometimes(Int.self, "The processor that it is pinned to.")
    case .frames: .always(UInt64.self, "Frames that it handled.")
    case .batches: .always(UInt64.self, "Batches in which they came.")
    case .ringFill: .always(UInt64.self, "The most frames that waited at once within the last second.")
    case .ringSize: .always(UInt64.self, "Frames that can wait.")
    case .ringDrops: .always(UInt64.self, "Frames lost because the ring was full.")
    case .handedOver: .always(UInt64.self, "Frames given to the worker that owns their connection.")
    case .offloaded: .always(UInt64.self, "Frames that the kernel forwarded by itself.")
    case .transmitErrors: .always(UInt64.self, "Frames that the kernel would not send.")
    case .connections: .always(UInt64.self, "Connections that it owns.")
    case .load: .always(Double.self, "The share of the last second that was spent working, 0 to 1.")
    }
  }
}

extension TableStatus: Described {
  static var meaning: String { "A table that traffic fills, of all workers together." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .name: .always(TableStatus.Name.self, "Which one.")
    case .entries: .always(UInt64.self, "Its entries.")
    case .capacity: .always(UInt64.self, "The most that it can have.")
    case .evicted: .always([String: UInt64].self, "Entries ended early so that new ones had room, by kind.")
    case .refused: .always(UInt64.self, "New entries for which there was no room.")
    }
  }
}

extension VerdictCounts: Described {
  static var meaning: String { "How many frames got each verdict, over all workers." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .forwarded: .always(UInt64.self, "Sent to a real server.")
    case .answered: .always(UInt64.self, "Answered by the director: ARP, ping, resets, ICMP errors.")
    case .passed: .always(UInt64.self, "Not for the director.")
    case .held: .always(UInt64.self, "Kept until their server's Ethernet address is known.")
    case .dropped: .always([String: UInt64].self, "Dropped, by reason; every reason is there.")
    }
  }
}

extension Finding: Described {
  static var meaning: String { "Something that breaks direct routing." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .kind: .always(Finding.Kind.self, "Which kind of thing.")
    case .vip: .sometimes(String.self, "The VIP or service that it is about.")
    case .subject: .always(String.self, "The real server, station or interface at fault.")
    case .seen: .always(String.self, "What was seen.")
    case .why: .always(String.self, "Why it matters.")
    case .fix: .always(String.self, "The command that puts it right, and where to run it.")
    }
  }
}

extension SyncStatus: Described {
  static var meaning: String { "The sync daemons, and what they did since lbd started." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .daemons: .always([SyncDaemon].self, "Those that run.")
    case .sent: .always([String: UInt64].self, "What the master sent.")
    case .datagrams: .always([String: UInt64].self, "Datagrams that came, by what became of them.")
    case .records: .always([String: UInt64].self, "Records in those that were taken, by what became of them.")
    case .streams:
      .always([String: UInt64].self, "Streams by which directors ask each other for all, by what became of them.")
    }
  }
}

extension SyncDaemon: Described {
  static var meaning: String { "A sync daemon." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .role: .always(SyncDaemon.Role.self, "Whether it tells or hears.")
    case .interface: .always(String.self, "Where its multicast goes or comes.")
    case .syncID: .always(UInt32.self, "0 to 255; a backup with one takes only messages of the same.")
    case .maxLength: .always(UInt16.self, "The largest message in bytes; 0 is what fits the interface.")
    case .group: .sometimes(IPAddress.self, "The multicast group; 224.0.0.81.")
    case .port: .always(UInt16.self, "The port; 0 is 8848.")
    case .ttl: .always(UInt8.self, "The hop limit; 0 is 1.")
    }
  }
}

extension Capabilities: Described {
  static var meaning: String { "What the data plane can do." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .plane: .always(Capabilities.Plane.self, "Which one it is.")
    case .methods: .always([ForwardingMethod.Kind].self, "The forwarding methods that servers may have.")
    case .features: .always([Capabilities.Feature].self, "What it has.")
    case .settings: .always([SettingRule].self, "Its settings.")
    case .timeouts: .always(Timeouts.self, "Those of connections where nobody set any.")
    }
  }
}

extension SettingRule: Described {
  static var meaning: String { "A setting, and what it may be." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .name: .always(String.self, "As the kernel has it under net.ipv4.vs.")
    case .minimum: .sometimes(UInt32.self, "The least it may be.")
    case .maximum: .sometimes(UInt32.self, "The most it may be.")
    case .choices: .sometimes([SettingValue].self, "All it may be, where that is no range.")
    case .standard: .always(SettingValue.self, "What it is where nobody set it.")
    }
  }
}
