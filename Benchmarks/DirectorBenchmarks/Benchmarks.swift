import Benchmark
import Director
import LVS
import Workload

// Each iteration does its operations many times and records the time of a thousand of them: a single one is too short.
// Run them with
//
//     LVS_BENCHMARKS=1 swift package --scratch-path .build/benchmarks benchmark

private let metric = BenchmarkMetric.custom("ns per 1000", polarity: .prefersSmaller, useScalingFactor: false)

private func configuration(_ duration: Duration = .seconds(1)) -> Benchmark.Configuration {
  Benchmark.Configuration(metrics: [metric], warmupIterations: 1, maxDuration: duration, maxIterations: 100)
}

let benchmarks: @Sendable () -> Void = {
  for name in SchedulerName.all {
    for servers in [4, 16, 256, 1_024] {
      Benchmark("pick, \(name.rawValue), \(servers) servers", configuration: configuration(.milliseconds(200))) {
        let bench = SchedulerBench(scheduler: name, servers: servers, picks: 1 << 16, timeLimit: .milliseconds(100))
        if let result = bench.run() { $0.measurement(metric, Int(result.secondsPerPick * 1e12)) }
      }
    }
  }
  for flows in [1 << 16, 1 << 20] {
    Benchmark("lookup, \(flows) connections", configuration: configuration()) { benchmark, table in
      let start = processorTime
      blackHole(table.lookup())
      benchmark.measurement(metric, Int((processorTime - start) * 1_000 / Double(FilledTable.lookups)))
    } setup: {
      try FilledTable(flows: flows)
    }
    Benchmark("pipe, a frame on a hit, \(flows) flows", configuration: configuration()) { benchmark, pipe in
      benchmark.measurement(metric, Int(pipe.run() * 1_000))
    } setup: {
      try FilledPipe(flows: flows)
    }
  }
}

/// A table with connections, and an order to look them up in.
final class FilledTable {
  static let lookups = 1 << 16
  private var table: TableBench
  private let order: [UInt32]

  init(flows: Int) throws {
    table = try TableBench(capacity: flows)
    table.insert((0..<flows).map(UInt32.init))
    var randomness = Randomness()
    order = (0..<Self.lookups).map { _ in randomness.next(below: flows) }
  }

  func lookup() -> Int { table.lookup(order) }
}

/// A pipe with connections, and frames of theirs.
final class FilledPipe {
  private var pipe: PipeBench
  private let traffic = Traffic()
  private let order: [UInt32]

  init(flows: Int) throws {
    pipe = try PipeBench(vip: Traffic.vip, scheduler: .wrr, servers: 16, connections: flows)
    var randomness = Randomness()
    order = (0..<1 << 16).map { _ in randomness.next(below: flows) }
    let all = (0..<flows).map(UInt32.init)
    _ = traffic.run(all, flags: Traffic.syn) { pipe.process($0, now: 1) }
  }

  /// Nanoseconds for a frame.
  func run() -> Double {
    traffic.run(order, flags: Traffic.ack) { pipe.process($0, now: 1) }
  }
}
