import LVS

/// The figures of a server or a service as they are shown: counted from a zero point, and as rates.
struct TrafficMeter {
  private var zeroPoint = Statistics()
  private var last = Statistics()
  /// Scaled as the kernel's estimator has them: connections and packets by 2^10, bytes by 2^5.
  private var connections: Int64 = 0
  private var packets: Int64 = 0
  private var bytes: Int64 = 0

  /// Counts from `counted` on, and forgets the rates.
  mutating func zero(_ counted: Statistics) {
    self = TrafficMeter()
    (zeroPoint, last) = (counted, counted)
  }

  /// Counts from `zero` on, of which `counted` is there already.
  mutating func resume(zero: Statistics, _ counted: Statistics) {
    (zeroPoint, last) = (zero, counted)
  }

  func statistics(_ counted: Statistics) -> Statistics { counted - zeroPoint }

  /// One step of two seconds: a quarter of the way to the rate of that time (`ip_vs_est.c`).
  mutating func estimate(_ counted: Statistics) {
    let delta = counted - last
    last = counted
    func step(_ estimate: inout Int64, _ delta: UInt64, _ scale: Int64) {
      estimate += (Int64(truncatingIfNeeded: delta) << scale - estimate) >> 2
    }
    step(&connections, delta.connections, 9)
    step(&packets, delta.packets, 9)
    step(&bytes, delta.bytes, 4)
  }

  var rates: Rates {
    Rates(
      connections: UInt64(connections + 0x1ff) >> 10, packets: UInt64(packets + 0x1ff) >> 10,
      bytes: UInt64(bytes + 0xf) >> 5)
  }
}
