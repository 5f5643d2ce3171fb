import Glibc
import LVS
import Testing

@testable import Director

private func frame(_ source: String, _ destination: String) -> TestFrame {
  var frame = TestFrame()
  (frame.source, frame.destination) = (IPAddress(source)!, IPAddress(destination)!)
  return frame
}

@Suite("The filters in the kernel")
struct SocketFilterTests {
  private let vips = ["10.1.0.100", "10.1.0.101", "2001:db8::100", "2001:db8::101"].map { IPAddress($0)! }

  @Test(
    "let the VIPs' frames through and no others",
    arguments: [
      ("10.1.0.100", true), ("10.1.0.101", true), ("10.1.0.102", false), ("2001:db8::100", true),
      ("2001:db8::101", true),
      ("2001:db8::102", false), ("2001:db9::100", false),
    ])
  func vips(_ destination: String, _ passes: Bool) {
    let bytes = frame(destination.contains(":") ? "2001:db8::1" : "192.0.2.1", destination).tcp("S", from: 1, to: 80)
    let filter = SocketFilter.balanced(vips: vips, vlan: nil)
    #expect(((FilterMachine(frame: bytes).run(filter) ?? 0) > 0) == passes)
    #expect(FilterMachine(frame: bytes, packetType: 3).run(filter) == 0)
    #expect(FilterMachine(frame: bytes).run(.nothing) == 0)
  }

  @Test("let any address through where there are too many VIPs to compare")
  func manyVIPs() {
    let many = (0..<500).map { IPAddress(v4: 0x0a01_0000 + $0) }
    let bytes = frame("192.0.2.1", "10.9.9.9").tcp("S", from: 1, to: 80)
    #expect((FilterMachine(frame: bytes).run(.balanced(vips: many, vlan: nil)) ?? 0) > 0)
  }

  @Test(
    "keep to one VLAN, or to untagged frames and mere priorities",
    arguments: [
      (nil, nil, true), (nil, 0, true), (nil, 0x6000, true), (nil, 7, false), (7, 7, true), (7, 0x6007, true),
      (7, 8, false),
      (7, nil, false), (7, 0, false),
    ] as [(UInt16?, UInt16?, Bool)])
  func vlans(_ wanted: UInt16?, _ tag: UInt16?, _ passes: Bool) {
    let machine = FilterMachine(frame: frame("192.0.2.1", "10.1.0.100").tcp("S", from: 1, to: 80), vlanTag: tag)
    #expect(((machine.run(.balanced(vips: vips, vlan: wanted)) ?? 0) > 0) == passes)
    let arp = FilterMachine(
      frame: [UInt8](repeating: 0xff, count: 12) + [8, 6] + [UInt8](repeating: 0, count: 28), vlanTag: tag)
    #expect(((arp.run(.neighborhood(vlan: wanted)) ?? 0) > 0) == passes)
  }

  @Test(
    "tell neighbor discovery from other ICMPv6",
    arguments: [(132, false), (133, true), (135, true), (136, true), (137, true), (138, false), (128, false)]
      as [(UInt8, Bool)])
  func discovery(_ type: UInt8, _ passes: Bool) {
    let bytes = frame("2001:db8::1", "2001:db8::100").ip(58, [type, 0, 0, 0, 0, 0, 0, 0])
    #expect(((FilterMachine(frame: bytes).run(.neighborhood(vlan: nil)) ?? 0) > 0) == passes)
  }

  @Test("give each client one worker, and its ICMP errors and fragments the same", arguments: [2, 3, 8])
  func fanout(_ count: Int) {
    let filter = SocketFilter.fanout(count: count)
    var shares = [Int](repeating: 0, count: count)
    for number in 0..<600 {
      let isV4 = number % 2 == 0
      let client = isV4 ? "192.0.\(number / 256).\(number % 256)" : "2001:db8:\(number)::\(number * 7)"
      let vip = isV4 ? "10.1.0.100" : "2001:db8::100"
      let owner = FilterMachine(frame: frame(client, vip).tcp("S", from: UInt16(number), to: 80)).run(filter)
      shares[Int(owner ?? 0)] += 1
      #expect(Ownership(worker: 0, workers: UInt32(count)).owner(of: IPAddress(client)!) == owner)
      #expect(FilterMachine(frame: frame(client, vip).udp(from: 9, to: 53)).run(filter) == owner)
      let reply = Array(frame(vip, client).tcp("A", from: 80, to: 9)[14...])
      let router = frame(isV4 ? "203.0.113.1" : "2001:db8:ffff::1", vip)
      for type in isV4 ? [3, 4, 11] : [1, 2, 3, 4] as [UInt8] {
        #expect(FilterMachine(frame: router.error(type: type, code: 0, about: reply)).run(filter) == owner)
      }
      if isV4 {
        #expect(FilterMachine(frame: frame(client, vip).ip(17, [1, 2, 3, 4], fragment: 5)).run(filter) == owner)
      }
    }
    for share in shares { #expect(share > 600 / count / 2) }
  }
}

@Suite("A filter that has to fit")
struct FilterRoomTests {
  private static let vips = (0..<20).map { IPAddress(v6: 0x2001_0db8 << 32, UInt64($0)) }

  /// Attaches filters of at most so many instructions, as a kernel does that has `optmem_max`.
  private func attach(_ vips: [IPAddress], room: Int, code: Int32 = ENOMEM) throws -> (FilterReach, SocketFilter) {
    var attached = SocketFilter.nothing
    let reach = try SocketFilter.attach(for: vips, vlan: nil, station: nil) { filter throws(SystemError) in
      guard filter.instructions.count <= room else { throw SystemError("SO_ATTACH_FILTER", code: code) }
      attached = filter
    }
    return (reach, attached)
  }

  @Test("lets the VIPs through and nothing else where it does")
  func exact() throws {
    let (reach, filter) = try attach(Self.vips, room: 1_000)
    #expect(reach == .exact)
    #expect(filter.instructions == SocketFilter.balanced(vips: Self.vips, vlan: nil).instructions)
  }

  @Test("becomes one for all that is to our station where it does not, which is told")
  func wide() throws {
    let (reach, filter) = try attach(Self.vips, room: 30)
    #expect(reach != .exact)
    var frame = TestFrame()
    for (source, destination) in [("2001:db8::99", "2001:db8::ffff"), ("192.0.2.1", "192.0.2.2")] {
      (frame.source, frame.destination) = (IPAddress(source)!, IPAddress(destination)!)
      let bytes = frame.udp(from: 1, to: 2)
      #expect(try #require(FilterMachine(frame: bytes).run(filter)) > 0)
      #expect(FilterMachine(frame: bytes, packetType: 3).run(filter) == 0)
      #expect(FilterMachine(frame: bytes, vlanTag: 7).run(filter) == 0)
    }
    var arp = frame.udp(from: 1, to: 2)
    (arp[12], arp[13]) = (0x08, 0x06)
    #expect(FilterMachine(frame: arp).run(filter) == 0)
  }

  @Test("is refused where nothing fits, or for another reason")
  func refused() {
    #expect(throws: SystemError("SO_ATTACH_FILTER", code: ENOMEM)) { try attach(Self.vips, room: 2) }
    #expect(throws: SystemError("SO_ATTACH_FILTER", code: EPERM)) { try attach(Self.vips, room: 30, code: EPERM) }
  }
}
