import LVS
import Testing

@testable import Director

@Suite("What happens to the interface")
struct InterfaceWatchTests {
  private static let first = Interface(
    name: "eth0", index: 2, mac: MACAddress(0x0200_0000_0201), mtu: 1500, isUp: true,
    addresses: [Prefix.Interface(IPAddress("10.77.0.2")!, length: 24)], ports: ["port1"])

  private static func changed(_ change: (inout Interface) -> Void) -> Interface {
    var interface = first
    change(&interface)
    return interface
  }

  /// What is seen one after the other, and what it amounts to.
  static let histories: [([Interface?], [InterfaceWatch.Change])] = [
    ([first], []), ([changed { $0.isUp = false }, first], [.down, .up]),
    ([changed { $0.mac = MACAddress(7) }], [.station(MACAddress(7))]), ([changed { $0.mtu = 9000 }], [.mtu]),
    ([changed { $0.queues = 2 }], [.queues]),
    ([changed { $0.addresses = [] }], [.addresses]), ([nil, nil, first], [.gone, .renewed, .up]),
    ([changed { $0.index = 3 }], [.renewed]), ([changed { $0.ports = ["port1", "port2"] }], [.port]),
    ([changed { $0.ports = [] }], []),
    (
      [
        nil,
        changed {
          $0.index = 3
          $0.isUp = false
        }, changed { $0.index = 3 },
      ], [.gone, .renewed, .up]
    ),
  ]

  @Test("is told once, as what it means", arguments: histories)
  func tells(seen: [Interface?], expected: [InterfaceWatch.Change]) {
    var watch = InterfaceWatch(Self.first)
    let told = seen.flatMap { watch.look($0) }
    #expect(told == expected)
  }
}

@Suite("The digest of events")
struct EventDigestTests {
  @Test("tells an event at once, and later how often it came again")
  func repeats() {
    let told = Log()
    let digest = EventDigest { told.append($0) }
    let event = DirectorEvent.vipContested(IPAddress("10.77.0.100")!, by: MACAddress(7), server: nil)
    for now in UInt64(0)..<10_000 { digest.report(event, now: now) }
    #expect(told.events == [event])
    digest.tick(10_000)
    #expect(told.events == [event, .repeated(event, times: 9_999)])
    digest.tick(20_000)
    digest.report(event, now: 20_001)
    #expect(told.events.count == 3, "after a quiet time it is news again")
  }

  @Test("has an end to what it tells of ever different events")
  func bounded() {
    let told = Log()
    let digest = EventDigest { told.append($0) }
    for number in 0..<10_000 { digest.report(.serverLost(IPAddress(v4: UInt32(number))), now: 0) }
    #expect(told.events.count == EventDigest.capacity)
  }
}
