import LVS

extension Change: Described {
  static var meaning: String { "One change of what is wanted." }
  static var shape: Shape { .oneOf(fields) }

  static func field(_ key: CodingKeys) -> Field {
    switch key {
    case .addService: of([.service, .force], "Adds a service.")
    case .updateService: of([.service], "Changes a service's own settings.")
    case .removeService: of([.service], "Removes the service that is named, with its servers.")
    case .addServer: of([.to, .server], "Adds a server to a service.")
    case .updateServer: of([.of, .server], "Changes a server of a service.")
    case .removeServer: of([.from, .server], "Removes a server, named by its address, from a service.")
    case .drainServer: of([.of, .server], "Gives the server, named by its address, no new connections.")
    case .undrainServer: of([.of, .server], "Undoes that.")
    case .addCheck: of([.to, .server, .check], "Adds a health check, or changes the one of its type.")
    case .removeCheck: of([.from, .server, .type], "Removes a check, or all where no type is named.")
    case .setFarm: of([.of, .farm], "Sets what follows from the health of a service's servers.")
    case .addDiscovery: of([.to, .discovery], "Has servers of a service discovered; an earlier discovery gives way.")
    case .removeDiscovery: of([.from], "Removes a service's discovery with the servers that it found.")
    case .setMarks: of([.marks], "Sets all rules that mark packets.")
    case .set: of([.setting, .value], "Sets a setting.")
    case .setTimeouts: of([.timeouts], "Sets timeouts.")
    }
  }

  private static func of(_ parts: [Part], _ meaning: String) -> Field {
    .sometimes(.object(parts.map(field)), meaning)
  }

  private static func field(_ part: Part) -> Field {
    var field: Field =
      switch part {
      case .service: .always(.either([VirtualService.shape, ServiceKey.shape]), "The service, or its name.")
      case .force: .sometimes(Bool.self, "Whether the VIP is taken although another host has it.")
      case .server: .sometimes(.either([RealServer.shape, Endpoint.shape]), "The server, or its address and port.")
      case .check: .always(HealthCheck.self, "The check.")
      case .type: .sometimes(HealthCheck.Kind.Name.self, "The check's type.")
      case .farm: .always(FarmPolicy.self, "What is to follow.")
      case .discovery: .always(Discovery.self, "The discovery.")
      case .to, .of, .from: .always(ServiceKey.self, "The service that is meant.")
      case .marks: .always([MarkRule].self, "The rules, in order.")
      case .setting: .always(String.self, "Its name.")
      case .value: .always(SettingValue.self, "What it is to be.")
      case .timeouts: .always(Timeouts.self, "The timeouts.")
      }
    field.name = part.rawValue
    return field
  }
}
