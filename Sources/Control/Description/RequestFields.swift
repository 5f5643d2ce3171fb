import LVS

// What requests consist of, and small answers.

extension Nothing: Described {
  enum CodingKeys: CodingKey, CaseIterable {}

  static var meaning: String { "An empty object." }
  static func field(_ key: CodingKeys) -> Field {}
}

extension JSONValue: Shaped {
  static var shape: Shape { .any }
}

extension ServiceChoice: Described {
  static var meaning: String { "One service, or all." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .service: .sometimes(ServiceKey.self, "The service; all where none is named.")
    }
  }
}

extension VIPChoice: Described {
  static var meaning: String { "One VIP, or all." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .vip: .sometimes(IPAddress.self, "The VIP; all where none is named.")
    }
  }
}

extension NamedVIPs: Described {
  static var meaning: String { "Which VIPs." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .vips: .always([IPAddress].self, "The VIPs; all where none is named.")
    }
  }
}

extension VIPMove: Described {
  static var meaning: String { "VIPs whose connections are carried over." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .vips: .always([IPAddress].self, "The VIPs.")
    case .seconds: .always(UInt32.self, "For how many seconds at most, up to 60; 0 is no longer.")
    }
  }
}

extension SyncRole: Described {
  static var meaning: String { "Which sync daemon." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .role: .always(SyncDaemon.Role.self, "Its role.")
    }
  }
}

extension Setting: Described {
  static var meaning: String { "A setting and what it is to be." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .name: .always(String.self, "As the kernel has it under net.ipv4.vs.")
    case .value: .always(SettingValue.self, "What it is to be.")
    }
  }
}

extension CaptureChoice: Described {
  static var meaning: String { "Which frames." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .filter: .sometimes(String.self, "A libpcap expression; all frames where there is none.")
    }
  }
}

extension ConnectionFilter: Described {
  static var meaning: String { "Which connections." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .client: .sometimes(Prefix.self, "Of these clients.")
    case .service: .sometimes(ServiceKey.self, "Of this service.")
    case .server: .sometimes(IPAddress.self, "Of this real server.")
    case .state: .sometimes(String.self, "In this state.")
    }
  }
}

extension Applied: Described {
  static var meaning: String { "What a request that changes things came to." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .changes: .always(Int.self, "How many changes it took.")
    }
  }
}

extension ErrorReply: Described {
  static var meaning: String { "A refusal." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .error: .always(String.self, "One line that names the thing and the way out.")
    case .code: .always(String.self, "One word for a program: no_such_service, bad_request.")
    }
  }
}

extension Difference.Kind: Shaped {}

extension Difference: Described {
  static var meaning: String { "One thing that is otherwise in one state than in another." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .kind: .always(Difference.Kind.self, "What became of it.")
    case .subject: .always(String.self, "The thing: server 192.0.2.11:80 of tcp:192.0.2.100:80.")
    case .details: .always([String].self, "What it is like, or what of it changes.")
    }
  }
}
