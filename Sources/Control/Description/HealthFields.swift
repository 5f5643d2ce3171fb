import LVS

// Health checks as they are asked for, and what is known by them.

extension Period: Shaped {}
extension Percent: Shaped {}
extension Payload: Shaped {}
extension StatusSet: Shaped {}
extension HTTPHeader: Shaped {}
extension Health: Shaped {}
extension FarmState: Shaped {}
extension Weight.Hold: Shaped {}
extension HealthCheck.Kind.Name: Shaped {}
extension HealthCheck.Via: Shaped {}
extension HealthCheck.Consequence: Shaped {}
extension HealthCheck.DNSQuestion.RecordType: Shaped {}

extension HealthCheck: Shaped {
  static var shape: Shape { CheckFields.shape }
}

extension CheckFields: Described {
  static var meaning: String { "A health check; what is not said has its standard." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .type: .always(HealthCheck.Kind.Name.self, "How servers are asked.")
    case .path: .sometimes(String.self, "Of http and https: the target; /.")
    case .host: .sometimes(String.self, "The Host header; of dns the name that is asked for.")
    case .method: .sometimes(String.self, "Of http and https; GET.")
    case .headers: .sometimes([HTTPHeader].self, "Of http and https: more headers.")
    case .status: .sometimes(StatusSet.self, "Which statuses are good; 200-399.")
    case .body: .sometimes(String.self, "A regular expression that the body must match.")
    case .sni: .sometimes(String.self, "Of https: the name that the certificate is asked for by.")
    case .verify: .sometimes(Bool.self, "Of https: whether the certificate is verified; true.")
    case .ca: .sometimes(String.self, "Of https: a file with the authorities that are trusted.")
    case .send: .sometimes(Payload.self, "Of tcp and udp: what is sent.")
    case .expect: .sometimes(Payload.self, "What the answer must hold; of dns an address.")
    case .query: .sometimes(HealthCheck.DNSQuestion.RecordType.self, "Of dns: the type of record; A.")
    case .command: .sometimes([String].self, "Of exec: a program and its arguments.")
    case .port: .sometimes(UInt16.self, "Which port is asked; the server's.")
    case .via: .sometimes(HealthCheck.Via.self, "Whether the server is asked for the VIP or by its own address.")
    case .interval: .sometimes(Period.self, "From one attempt to the next; 500ms.")
    case .timeout: .sometimes(Period.self, "How long an answer may take; 1s.")
    case .jitter: .sometimes(UInt8.self, "By how many percent an interval is shortened at random; 10.")
    case .rise: .sometimes(UInt16.self, "How many good attempts in a row make it up; 2.")
    case .fall: .sometimes(UInt16.self, "How many bad attempts in a row make it down; 2.")
    case .fastInterval: .sometimes(Period.self, "The interval while the state is about to change.")
    case .flapLimit: .sometimes(UInt16.self, "How often it may go down before it is held down; 5, 0 is for ever.")
    case .onFailure: .sometimes(HealthCheck.Consequence.self, "What becomes of a server that is down; quiesce.")
    }
  }
}

extension NamedCheck: Described {
  static var meaning: String { "A check as it was asked for." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .service: .always(ServiceKey.self, "The service.")
    case .server: .sometimes(Endpoint.self, "The server; left out where all are meant that have none of their own.")
    case .check: .always(HealthCheck.self, "The check.")
    }
  }
}

extension ServiceHealth: Described {
  static var meaning: String { "What is known of the health of a service's servers." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .service: .always(ServiceKey.self, "The service.")
    case .state: .always(FarmState.self, "What the health of all of them makes of the service.")
    case .servers: .always([WatchedServerStatus].self, "In the order they were added.")
    }
  }
}

extension WatchedServerStatus: Described {
  static var meaning: String { "What is known of a server, and what became of its weight." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .address: .always(Endpoint.self, "Its address and port.")
    case .state: .always(Health.self, "The worst that a check says; unknown where there is none.")
    case .weight: .always(Int32.self, "The weight asked for.")
    case .effectiveWeight: .always(Int32.self, "The weight that schedulers go by.")
    case .weightHeldBy: .always([Weight.Hold].self, "What holds it below the one asked for.")
    case .checks: .always([CheckStatus].self, "What is known by each check.")
    }
  }
}

extension CheckStatus: Described {
  static var meaning: String { "What is known of a server by one check." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .type: .always(HealthCheck.Kind.Name.self, "The check's type.")
    case .via: .always(HealthCheck.Via.self, "How the server is asked.")
    case .state: .always(Health.self, "What the check says of the server.")
    case .since: .always(UInt64.self, "For how many seconds.")
    case .isDamped: .always(Bool.self, "Whether it answers well, and is held down since it went down too often.")
    case .result: .sometimes(String.self, "What the last attempt came to.")
    case .latency: .sometimes(Double.self, "How many seconds the last attempt took.")
    case .counts: .always(AttemptCounts.self, "All attempts.")
    }
  }
}

extension AttemptCounts: Described {
  static var meaning: String { "How many attempts there were, by what they came to." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .good: .always(UInt64.self, "Good answers.")
    case .bad: .always(UInt64.self, "Bad answers, and none in time.")
    case .unclear: .always(UInt64.self, "The director could not ask, which says nothing of the server.")
    }
  }
}

extension Serving: Described {
  static var meaning: String { "Whether clients are served." }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .troubles: .always([String].self, "Why they are not, one line each; none where they are.")
    }
  }
}
