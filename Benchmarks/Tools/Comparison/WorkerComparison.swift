import Director
import Foundation
import LVS
import Synchronization
import Workload

/// The pipe on two threads beside one: each worker has connections of its own, servers and services are shared.
struct WorkerComparison {
  let flows: Int
  let rounds: Rounds

  func run() throws -> [Figure] {
    let service = try PipeService(vip: Traffic.vip, scheduler: .wrr, servers: 16, workers: 2, connections: 3 * flows)
    let workers = try (0..<2).map { try PipeWorker(service, number: $0, flows: flows) }
    var used: [Double] = []
    var figure = rounds.compare("two workers, \(flows) flows each", unit: "frames/s") {
      let (rate, processors) = Self.together(workers)
      used.append(processors)
      return rate
    } baseline: {
      Self.together([workers[0]]).rate
    }
    figure.value.round()
    figure.baseline?.round()
    return [figure, Figure(name: "overlap, \(flows) flows each", unit: "of 1", value: median(used) / 2)]
  }

  /// Frames for each second of processor time of all workers at once, and how many processors they used.
  private static func together(_ workers: [PipeWorker]) -> (rate: Double, processors: Double) {
    let start = Gate(count: workers.count)
    let done = DispatchSemaphore(value: 0)
    let clock = ContinuousClock()
    let begin = clock.now
    for worker in workers {
      Thread {
        start.pass()
        worker.run()
        done.signal()
      }.start()
    }
    for _ in workers { done.wait() }
    let wall = (clock.now - begin) / .nanoseconds(1)
    return (
      workers.reduce(0) { $0 + 1e9 / $1.perFrame }, workers.reduce(0) { $0 + $1.processorTime } / wall
    )
  }
}

/// Holds threads back until all are there.
private final class Gate: Sendable {
  private let missing: Atomic<Int>

  init(count: Int) { missing = Atomic(count) }

  func pass() {
    missing.subtract(1, ordering: .acquiringAndReleasing)
    while missing.load(ordering: .acquiring) > 0 {}
  }
}

/// One worker's pipe. It is used by one thread at a time.
private final class PipeWorker: @unchecked Sendable {
  private var pipe: PipeBench
  private let traffic = Traffic()
  private let order: [UInt32]
  /// Nanoseconds of processor time for a frame in the last run.
  private(set) var perFrame = 0.0
  /// Nanoseconds of processor time that the last run took, writing its frames included.
  private(set) var processorTime = 0.0

  init(_ service: PipeService, number: Int, flows: Int) throws {
    pipe = try PipeBench(service, worker: number)
    var randomness = Randomness()
    order = (0..<1 << 19).map { _ in randomness.next(below: flows) }
    let all = (0..<flows).map(UInt32.init)
    _ = traffic.run(all, flags: Traffic.syn) { pipe.process($0, now: 1) }
    _ = traffic.run(all, flags: Traffic.ack) { pipe.process($0, now: 1) }
  }

  func run() {
    let begin = Workload.processorTime
    perFrame = traffic.run(order, flags: Traffic.ack) { pipe.process($0, now: 1) }
    processorTime = Workload.processorTime - begin
  }
}
