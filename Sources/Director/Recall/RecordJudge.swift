import LVS

/// Says of records that an earlier process left which of them may be: nothing in them is believed that could do harm.
struct RecordJudge {
  /// The family of each VIP, by its number; 0 where there is none.
  private var families = [UInt8](repeating: 0, count: 1 << 16)
  /// The service of each server, and of each service its VIP; `none` where there is none.
  private var services: [ServiceNumber] = []
  private var vips = [UInt32](repeating: none, count: ServiceTable.capacity)
  /// A service by mark has no VIP of its own, but a family.
  private var marks = [UInt8](repeating: 0, count: ServiceTable.capacity)

  private static let none = UInt32.max

  init(
    _ services: [Service], _ servers: [(number: ServerNumber, endpoint: Endpoint, service: ServiceNumber)],
    _ numbers: VIPNumbers
  ) {
    for (address, number) in numbers.byAddress { families[Int(number)] = address.family.rawValue }
    for service in services {
      let number = Int(service.number)
      if service.key.address == nil {
        marks[number] = service.key.family.rawValue
      } else {
        vips[number] = UInt32(service.vip)
      }
    }
    self.services = [ServiceNumber](repeating: ServiceTable.none, count: Int(servers.last?.number ?? 0) + 1)
    for server in servers { self.services[Int(server.number)] = server.service }
  }

  /// Whether a connection may be, and as what.
  func admits(connection: inout Connection) -> Bool {
    guard connection.flags.isDisjoint(with: .template), !connection.isInvalidated,
      let state = ConnectionState(rawValue: connection.state), state.isOf(connection.transport), isKnown(connection)
    else { return false }
    connection.flags.formIntersection([.secure, .whole])
    if !state.isActive { connection.flags.insert(.inactive) }
    if state != .udp || connection.lane != .settled { connection.lane = state.lane }
    return true
  }

  /// Whether a template may be, and as what. The connections that it controls are not counted yet.
  func admits(template: inout Connection) -> Bool {
    guard template.flags.contains(.template), (1...UInt32(Int32.max)).contains(template.lifetime),
      template.transport == 0 || ConnectionState.none.isOf(template.transport) || template.transport == UDP.number,
      isKnown(template)
    else { return false }
    template.flags.formIntersection([.template, .assured, .whole])
    template.lane = template.flags.contains(.assured) ? .assured : .unassured
    (template.children, template.state) = (0, 0)
    return true
  }

  /// Whether the server is there, and one of a service that has the VIP; a template of a mark has no VIP.
  private func isKnown(_ record: Connection) -> Bool {
    guard Int(record.server) < services.count, case let service = services[Int(record.server)],
      service != ServiceTable.none
    else { return false }
    let mark = marks[Int(service)]
    if record.transport == 0 { return mark != 0 }
    return mark != 0 ? families[Int(record.vip)] == mark : vips[Int(service)] == UInt32(record.vip)
  }
}

extension ConnectionState {
  /// Whether a connection of this transport can be in it.
  fileprivate func isOf(_ transport: UInt8) -> Bool {
    switch transport {
    case TCP.number: rawValue <= Self.synAck.rawValue
    case UDP.number: self == .udp
    case SCTP.number: self == .none || rawValue >= Self.sctpInit1.rawValue
    default: false
    }
  }
}
