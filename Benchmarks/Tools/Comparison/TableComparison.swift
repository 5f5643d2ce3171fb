import Director
import Workload

/// The connection table alone: looking up, inserting, expiring.
struct TableComparison {
  let flows: Int
  let rounds: Rounds

  func run() throws -> [Figure] {
    let all = (0..<flows).map(UInt32.init)
    let twin = Twin(connections: flows, servers: 1)
    for flow in all { twin.open(flow) }
    var table = try TableBench(capacity: flows)
    var randomness = Randomness()
    let order = (0..<1 << 18).map { _ in randomness.next(below: flows) }
    let insertion = timed(flows) { table.insert(all) }
    let lookup = rounds.compare("lookup, \(flows) connections") {
      timed(order.count) { precondition(table.lookup(order) == order.count) }
    } baseline: {
      timed(order.count) { precondition(twin.lookup(order) == order.count) }
    }
    let expiry = timed(flows) { table.expireAll() }
    return [
      lookup,
      Figure(name: "insertion, up to \(flows) connections", unit: "ns", value: insertion),
      Figure(name: "expiry, \(flows) connections", unit: "ns", value: expiry),
    ]
  }

  private func timed(_ operations: Int, _ body: () -> Void) -> Double {
    let start = processorTime
    body()
    return (processorTime - start) / Double(operations)
  }
}
