import Director
import LVS
import Workload

/// The whole pipe per frame beside its twin in C: every frame meets a connection.
struct PipeComparison {
  private static let servers = 16

  let flows: Int
  let rounds: Rounds

  func run() throws -> [Figure] {
    let traffic = Traffic()
    let twin = Twin(connections: flows, servers: Self.servers)
    var pipe = try PipeBench(vip: Traffic.vip, scheduler: .wrr, servers: Self.servers, connections: flows)
    let all = (0..<flows).map(UInt32.init)
    for flow in all { twin.open(flow) }
    _ = traffic.run(all, flags: Traffic.syn) { pipe.process($0, now: 1) }
    _ = traffic.run(all, flags: Traffic.ack) { pipe.process($0, now: 1) }
    var randomness = Randomness()
    let order = (0..<1 << 17).map { _ in randomness.next(below: flows) }
    return [
      rounds.compare("pipe, a frame on a hit, \(flows) flows") {
        traffic.run(order, flags: Traffic.ack) { pipe.process($0, now: 1) }
      } baseline: {
        traffic.run(order, flags: Traffic.ack) { twin.process($0) }
      }
    ]
  }

  /// New connections: every frame is a SYN of a flow that is not known yet.
  static func openings(_ rounds: Rounds, servers: Int) throws -> Figure {
    let traffic = Traffic()
    let flows = 1 << 18
    let order = (0..<flows).map(UInt32.init)
    var pipe = try PipeBench(vip: Traffic.vip, scheduler: .wlc, servers: servers, connections: flows)
    var now: UInt32 = 1
    var figure = rounds.measure("new connections, wlc over \(servers) servers", unit: "connections/s") {
      let spent = traffic.run(order, flags: Traffic.syn) { pipe.process($0, now: now) }
      now += 10_000
      pipe.expire(now: now)
      precondition(pipe.connections == 0)
      return 1e9 / spent
    }
    figure.value = figure.value.rounded()
    return figure
  }
}
