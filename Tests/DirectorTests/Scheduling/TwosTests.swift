import Foundation
import LVS
import Testing

@testable import Director

/// What a kernel's `twos` did in one situation: how often it picked each server.
private struct Recording: Decodable, Sendable, CustomTestStringConvertible {
  var weights: [Int32]
  var connections: [Int]
  /// The servers in the kernel's order: address, weight, active and inactive connections.
  var counts: [String]
  var picks: [Int]

  var testDescription: String { "weights \(weights), connections \(connections)" }
}

private let recordings = (try? Golden.decode("twos", as: [Recording].self)) ?? []

@Suite("A kernel's twos and this director's")
struct TwosTests {
  private static let key = ServiceKey("udp:10.1.0.100:80")!
  private static let picks = 100_000

  @Test("have recordings with and without connections to be compared by")
  func present() {
    #expect(recordings.count >= 12)
    #expect(recordings.contains { $0.connections.allSatisfy { $0 == 0 } })
    #expect(recordings.allSatisfy { $0.picks.reduce(0, +) >= 10_000 })
  }

  @Test("pick servers equally often", arguments: recordings)
  fileprivate func distribution(_ recording: Recording) throws {
    let director = try TestDirector()
    try setUp(director, recording)
    let counts = try #require(director.services.status().first).servers.map {
      "\($0.server.endpoint) \($0.server.weight.effective) \($0.activeConnections) \($0.inactiveConnections)"
    }
    #expect(counts == recording.counts)
    try director.apply(.updateService(VirtualService(Self.key, scheduler: .twos, onePacket: true)))
    var picks = recording.weights.map { _ in 0 }
    let datagram = TestFrame().udp(from: 20_000, to: 80)
    for _ in 0..<Self.picks { picks[try #require(Int(director.outcome(datagram))) - 1] += 1 }
    let (statistic, freedom) = chiSquare(picks, recording.picks)
    #expect(statistic < bound(freedom), "director \(picks), kernel \(recording.picks)")
  }

  /// Gives each server its connections while all others weigh nothing, as the recording was made.
  private func setUp(_ director: TestDirector, _ recording: Recording) throws {
    try director.apply(.addService(VirtualService(Self.key, scheduler: .twos), force: false))
    for (number, weight) in zip(1..., recording.weights) {
      try director.apply(.addServer(server(number, weight), to: Self.key))
    }
    var port: UInt16 = 1_024
    for (target, count) in zip(1..., recording.connections) {
      for number in 1...recording.weights.count {
        try director.apply(.updateServer(server(number, number == target ? 1 : 0), of: Self.key))
      }
      for _ in 0..<count {
        port += 1
        #expect(director.outcome(TestFrame().udp(from: port, to: 80)) == "\(target)")
      }
    }
    for (number, weight) in zip(1..., recording.weights) {
      try director.apply(.updateServer(server(number, weight), of: Self.key))
    }
  }

  private func server(_ number: Int, _ weight: Int32) -> RealServer {
    let end = Endpoint(IPAddress(v4: 0x0a01_0100 + UInt32(number)), 80)
    return RealServer(end, weight: Weight(weight), mac: TestDirector.mac(number))
  }

  /// Of two samples, and its degrees of freedom: what neither has does not count.
  private func chiSquare(_ one: [Int], _ other: [Int]) -> (Double, freedom: Int) {
    let ratio = (Double(other.reduce(0, +)) / Double(one.reduce(0, +))).squareRoot()
    let terms = zip(one, other).filter { $0 + $1 > 0 }.map { a, b in
      let difference = ratio * Double(a) - Double(b) / ratio
      return difference * difference / Double(a + b)
    }
    return (terms.reduce(0, +), terms.count - 1)
  }

  /// What one in a million samples of the same distribution exceeds (Wilson and Hilferty's approximation).
  private func bound(_ freedom: Int) -> Double {
    guard freedom > 0 else { return 1e-9 }
    let part = 2 / (9 * Double(freedom))
    let root = 1 - part + 4.753 * part.squareRoot()
    return Double(freedom) * root * root * root
  }
}
