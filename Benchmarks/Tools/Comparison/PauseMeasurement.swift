import Director
import LVS
import Workload

/// The longest that a worker does one thing while frames wait: a batch, a slice of what is expiring or being listed.
struct PauseMeasurement {
  let flows: Int

  func run() throws -> [Figure] {
    let traffic = Traffic()
    var pipe = try PipeBench(vip: Traffic.vip, scheduler: .wlc, servers: 16, connections: flows)
    let growth = traffic.longestBatch((0..<flows).map(UInt32.init), flags: Traffic.syn) { pipe.process($0, now: 1) }
    var (listed, next): (Int, UInt32) = (0, 1)
    let listing = longest {
      let slice = pipe.listSlice(from: next)
      (listed, next) = (listed + slice.count, slice.next)
      return next != 0
    }
    precondition(listed == flows)
    var now: UInt32 = 1
    // All are due in the same hundredth of a second.
    let expiry = longest {
      now += 1
      _ = pipe.expireSlice(now: now)
      return pipe.connections > 0
    }
    return [
      figure("longest batch of 64 new connections, up to \(flows)", growth),
      figure("longest slice of the listing of \(flows) connections", listing),
      figure("longest slice while \(flows) connections expire", expiry),
    ]
  }

  private func figure(_ name: String, _ nanoseconds: Double) -> Figure {
    Figure(name: name, unit: "us", value: nanoseconds / 1_000)
  }

  /// Nanoseconds of the longest step, until one says that there is no other.
  private func longest(_ step: () -> Bool) -> Double {
    var longest = 0.0
    var goesOn = true
    while goesOn {
      let start = processorTime
      goesOn = step()
      longest = max(longest, processorTime - start)
    }
    return longest
  }
}
