import LVS
import Testing

@testable import Director

/// A packet that no proper client sends (`Tests/Differential/oddities.py`), and what a kernel made of it.
private struct Oddity: Decodable, Sendable, CustomTestStringConvertible {
  var name: String
  var frame: String
  var out: String

  var testDescription: String { name }
}

private let recorded = (try? Golden.decode("oddities", as: [Oddity].self)) ?? []

@Suite("What a kernel makes of odd packets")
struct OddityTests {
  /// A kernel does not look at sources of IPv6 before it forwards: meant to differ.
  private static let differing = ["the VIP", "another VIP", "the director"].map {
    "a SYN from \($0) to a service, IPv6"
  }

  private func director() throws -> TestDirector {
    let director = try TestDirector(addresses: ["10.1.0.1", "fd00:1::1"].map { IPAddress($0)! })
    for (vip, other, server) in [
      ("10.1.0.100", "10.1.0.101", "10.1.1.1"), ("[fd00:1::100]", "[fd00:1::101]", "[fd00:1::1:1]"),
    ] {
      for key in ["tcp:\(vip):80", "tcp:\(vip):81", "udp:\(vip):53", "tcp:\(other):80"].map({ ServiceKey($0)! }) {
        try director.apply(.addService(VirtualService(key, scheduler: .rr), force: false))
        guard key.port != 81 else { continue }
        let real = RealServer(Endpoint("\(server):\(key.port)")!, mac: TestDirector.mac(1))
        try director.apply(.addServer(real, to: key))
      }
    }
    return director
  }

  @Test("is recorded") func present() { #expect(recorded.count > 140) }

  @Test("is what this director makes of them")
  func same() throws {
    let director = try director()
    for oddity in recorded {
      let outcome = director.outcome(of: [bytes(oddity.frame)])
      #expect(outcome == (Self.differing.contains(oddity.name) ? "none" : oddity.out), "\(oddity.name)")
    }
  }
}
