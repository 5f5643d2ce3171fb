import LVS

/// How the station of an address at which there are real servers is known.
struct NextHop: Sendable, Equatable {
  /// Servers that follow what is learned of the address.
  var followers: [ServerNumber] = []
  /// The station where the operator fixed it, for all servers at the address.
  var fixed: MACAddress?
}

extension Services {
  /// Of all real servers, by address: of those that are staged, else of those that are in force.
  var nextHops: [IPAddress: NextHop] {
    var hops: [IPAddress: NextHop] = [:]
    for definition in (staged?.next ?? desired).services {
      let macs = Dictionary(definition.servers.map { ($0.endpoint, $0.mac) }, uniquingKeysWith: { first, _ in first })
      for number in members(of: definition.service.key) {
        let endpoint = shared.servers[number].endpoint
        hops[endpoint.address, default: NextHop()].add(number, fixed: macs[endpoint] ?? nil)
      }
    }
    // Those that are out for their health are asked, and those in reserve may be needed any time.
    for server in (staged?.next ?? desired).resting where hops[server.endpoint.address] == nil {
      hops[server.endpoint.address] = NextHop(fixed: server.mac)
    }
    return hops
  }

  private func members(of key: ServiceKey) -> [ServerNumber] {
    if let members = staged?.services[key]?.members { return members }
    return byKey[key]?.locked { state in (0..<state.list.count).map { state.list[$0].id } } ?? []
  }
}

extension NextHop {
  fileprivate mutating func add(_ number: ServerNumber, fixed mac: MACAddress?) {
    if let mac {
      // Of several stations for one address the first counts; the servers have their own each.
      if followers.isEmpty { fixed = fixed ?? mac }
    } else {
      followers.append(number)
      fixed = nil
    }
  }
}
