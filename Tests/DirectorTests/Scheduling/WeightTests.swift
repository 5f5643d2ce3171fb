import LVS
import Testing

@testable import Director

@Suite("Weights are met")
struct WeightTests {
  @Test(
    "wrr gives each server its weight in every cycle",
    arguments: [[1, 2, 3], [4, 2, 1], [7, 5, 2], [10, 0, 5], [6, 9, 3], [300, 1, 1], [65_535, 1]] as [[Int32]])
  func weightedRoundRobin(weights: [Int32]) throws {
    let service = try ScheduledService(.wrr, weights: weights)
    let divisor = weights.reduce(0, greatestCommonDivisor)
    let cycle = Int(weights.reduce(0, +) / divisor)
    for _ in 0..<2 {
      let counts = Dictionary(service.open(times: cycle).map { ($0, Int32(1)) }, uniquingKeysWith: +)
      for (index, weight) in weights.enumerated() {
        #expect(counts[UInt32(index + 1), default: 0] == weight / divisor)
      }
    }
  }

  @Test(
    "With connections that stay, wlc, sed and nq fill the servers in proportion",
    arguments: [
      SchedulerName.wlc, .sed, .nq,
    ])
  func leastConnection(name: SchedulerName) throws {
    let weights: [Int32] = [3, 1, 7, 10, 5, 2]
    let service = try ScheduledService(name, weights: weights)
    _ = service.open(times: 20 * Int(weights.reduce(0, +)))
    for position in 0..<service.list.count {
      #expect(service.list[position].active == 20 * UInt32(service.list[position].weight))
    }
  }

  @Test("wrr finds the light servers at once while the heaviest, of 65,535, is overloaded")
  func overloadedGiant() throws {
    let service = try ScheduledService(.wrr, weights: [1, 1, 65_535])
    var giant = service.list[0]
    giant.isOverloaded = true
    service.setLoad(at: 0, giant)
    #expect(service.open(times: 6) == [2, 1, 2, 1, 2, 1])
  }

  @Test("twos draws two servers by weight and takes the less loaded")
  func powerOfTwoChoices() throws {
    let weights: [Int32] = [1, 2, 3, 0, 4]
    let service = try ScheduledService(.twos, weights: weights)
    for position in 0..<5 {
      var load = service.list[position]
      load.active = [3, 9, 1, 4, 2][position]
      service.setLoad(at: position, load)
    }
    let draws = 100_000
    var counts = [Int](repeating: 0, count: 5)
    for _ in 0..<draws { counts[try #require(service.pick())] += 1 }
    for (count, probability) in zip(counts, Self.probabilities(of: (0..<5).map { service.list[$0] })) {
      let deviation = (Double(draws) * probability * (1 - probability)).squareRoot()
      #expect(abs(Double(count) - Double(draws) * probability) <= 4 * deviation)
    }
  }

  /// By trying every pair of numbers from 0 to the sum of the weights.
  private static func probabilities(of servers: [ServerLoad]) -> [Double] {
    let total = servers.reduce(0) { $0 + $1.weight }
    func fallsOn(_ number: Int32) -> Int {
      var rest = number
      return servers.firstIndex { server in
        rest -= server.weight
        return server.weight > 0 && rest <= 0
      }!
    }
    var counts = [Double](repeating: 0, count: servers.count)
    for (one, two) in (0...total).flatMap({ one in (0...total).map { (fallsOn(one), fallsOn($0)) } }) {
      let isSecond =
        UInt64(servers[two].weight) * servers[one].overhead > UInt64(servers[one].weight) * servers[two].overhead
      counts[isSecond ? two : one] += 1
    }
    return counts.map { $0 / Double((total + 1) * (total + 1)) }
  }
}
