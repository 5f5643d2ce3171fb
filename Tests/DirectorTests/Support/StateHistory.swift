import LVS

@testable import Director

/// Random traffic and changes, for directors that live through the same.
struct StateHistory {
  static let vip = IPAddress("10.1.0.100")!
  static let schedulers: [(port: UInt16, name: SchedulerName)] = [
    (80, .rr), (81, .wrr), (82, .wlc), (83, .mh), (84, .sh), (85, .lc), (86, .rr),
  ]
  static let servers = 1...5

  var random: SplitMix64

  enum Step {
    case change(Change)
    case wait(ticks: UInt32)
    case frame([UInt8])
  }

  mutating func below(_ bound: UInt64) -> UInt64 { random.next(through: bound - 1) }

  static func key(_ port: UInt16, _ transport: TransportProtocol = .tcp) -> ServiceKey {
    .endpoint(transport, Endpoint(vip, port))
  }

  static func server(_ n: Int, _ port: UInt16, weight: Int32 = 1, upper: UInt32 = 0) -> RealServer {
    RealServer(
      TestDirector.server(n, port: port), weight: Weight(weight), upperThreshold: upper, lowerThreshold: upper / 2,
      mac: TestDirector.mac(n))
  }

  /// What there is at first.
  static var services: [Change] {
    var changes: [Change] = []
    for (port, scheduler) in schedulers {
      var service = VirtualService(key(port))
      service.scheduler = scheduler
      if port == 86 { service.persistence = Persistence(timeout: 60, netmask: .v4(0xffff_ff00)) }
      changes.append(.addService(service, force: false))
      for n in servers { changes.append(.addServer(server(n, port, weight: Int32(n)), to: key(port))) }
    }
    changes.append(.addService(VirtualService(key(53, .udp)), force: false))
    for n in servers { changes.append(.addServer(server(n, 53), to: key(53, .udp))) }
    return changes
  }

  mutating func step() -> Step {
    switch below(200) {
    case 0...3: .change(change())
    case 4...9: .wait(ticks: UInt32(below(below(4) == 0 ? 20_000 : 500)))
    default: .frame(frame())
    }
  }

  private mutating func frame() -> [UInt8] {
    var frame = TestFrame()
    frame.source = IPAddress(v4: 0xc000_0200 + UInt32(below(64)) + UInt32(below(4)) << 8)
    frame.destination = Self.vip
    let from = UInt16(1_024 + below(8))
    if below(8) == 0 { return frame.udp(from: from, to: 53) }
    let flags = ["S", "S", "A", "A", "A", "FA", "R", "SA"][Int(below(8))]
    return frame.tcp(flags, from: from, to: UInt16(80 + below(7)), payload: Int(below(100)))
  }

  private mutating func change() -> Change {
    let port = UInt16(80 + below(7))
    let n = Int(below(UInt64(Self.servers.count))) + 1
    let one = Self.server(n, port, weight: Int32(below(6)), upper: below(3) == 0 ? UInt32(below(40)) : 0)
    switch below(8) {
    case 0: return .removeServer(one.endpoint, from: Self.key(port))
    case 1, 2: return .addServer(one, to: Self.key(port))
    case 3, 4: return .updateServer(one, of: Self.key(port))
    case 5: return .set(["conn_reuse_mode", "expire_quiescent_template"][Int(below(2))], to: "\(below(2))")
    case 6: return .setTimeouts(Timeouts(tcp: 100 + UInt32(below(900)), tcpFin: 10, udp: 20))
    default:
      var service = VirtualService(Self.key(port))
      service.scheduler = Self.schedulers[Int(port) - 80].name
      return .updateService(service)
    }
  }
}
