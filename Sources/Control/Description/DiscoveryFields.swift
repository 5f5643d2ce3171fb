import LVS

// Where servers are discovered, and what was found.

extension Resolver: Shaped {}
extension DNSLookup.RecordType: Shaped {}

extension Discovery: Described {
  static var meaning: String { "Where a service learns of servers: by a name in the DNS, or from a file." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .dns: .sometimes(String.self, "The whole name that is asked for; this or a file.")
    case .type: .sometimes(DNSLookup.RecordType.self, "Of dns: the records; any, which is the addresses it can use.")
    case .port: .sometimes(UInt16.self, "Of dns: the servers' port; the service's.")
    case .resolver: .sometimes(Resolver.self, "Of dns: who is asked; those in /etc/resolv.conf.")
    case .minTTL: .sometimes(Period.self, "Of dns: how long an answer is believed at least; 5s.")
    case .maxTTL: .sometimes(Period.self, "Of dns: how long an answer is believed at most; 5m.")
    case .file: .sometimes(String.self, "A file's whole path: 'IP[:PORT] [weight]' a line.")
    case .method: .sometimes(ForwardingMethod.self, "How frames reach the servers; direct routing (route).")
    case .weight: .sometimes(Int32.self, "The weight of servers for which nothing else says it; 1.")
    case .grace: .sometimes(Period.self, "How long a server that is no longer found may keep its connections; 5m.")
    }
  }
}

extension DiscoveryStatus: Described {
  static var meaning: String { "What is known by the discovery of a service." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .service: .always(ServiceKey.self, "The service.")
    case .discovery: .always(Discovery.self, "The discovery as it was asked for.")
    case .since: .sometimes(UInt64.self, "For how many seconds the source has said what it says.")
    case .trouble: .sometimes(String.self, "What is not as it should be, in words.")
    case .servers: .always([DiscoveredServer].self, "Those that were found, in the order in which they came.")
    }
  }
}

extension DiscoveredServer: Described {
  static var meaning: String { "A server that a discovery has found." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .address: .always(Endpoint.self, "Its address and port.")
    case .weight: .always(Int32.self, "The weight that it was found with.")
    case .isLeaving: .always(Bool.self, "Whether it is no longer found, and its connections go on for a while.")
    }
  }
}
