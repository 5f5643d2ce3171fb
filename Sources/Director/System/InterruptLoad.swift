/// What part of each processor's time interrupts take, from `/proc/stat`: receiving is such work.
struct InterruptLoad {
  /// Clock ticks since the machine started, by processor: those of interrupts, and all.
  typealias Times = [Int: (interrupts: UInt64, all: UInt64)]

  private var last: Times = [:]

  /// The shares, 0 to 1, of the time since the last call.
  mutating func measure(_ times: Times = Self.read()) -> [Int: Double] {
    defer { last = times }
    return times.reduce(into: [:]) { shares, entry in
      guard let before = last[entry.key], entry.value.all > before.all else { return }
      shares[entry.key] =
        Double(entry.value.interrupts &- before.interrupts) / Double(entry.value.all &- before.all)
    }
  }

  private static func read() -> Times { parse(SystemFile.text("/proc/stat", most: 1 << 16) ?? "") }

  /// `cpu3 user nice system idle iowait irq softirq steal …`
  static func parse(_ text: String) -> Times {
    let words = text.split(separator: " ")
    var times: Times = [:]
    for (place, word) in words.enumerated() where word.hasPrefix("cpu") && place + 8 < words.count {
      let fields = words[(place + 1)...(place + 8)].compactMap { UInt64($0) }
      guard let processor = Int(word.dropFirst(3)), fields.count == 8 else { continue }
      times[processor] = (fields[5] + fields[6], fields.reduce(0, +))
    }
    return times
  }
}

/// Finds workers that lose frames since the interrupts that bring them run on the same processor: where both are busy,
/// it is the worker that starves.
struct StarvationWatch {
  /// The share of interrupts from which on they are to blame.
  private static let threshold = 0.5

  private var load = InterruptLoad()
  private var drops: [UInt64] = []

  /// Looks again; one line for each worker that starves.
  mutating func look(
    _ workers: [(processor: Int?, drops: UInt64)], times: InterruptLoad.Times? = nil
  ) -> [String] {
    let shares = times.map { load.measure($0) } ?? load.measure()
    let before = drops
    drops = workers.map(\.drops)
    return workers.indices.compactMap { index in
      guard index < before.count, workers[index].drops > before[index], let processor = workers[index].processor,
        let share = shares[processor], share > Self.threshold
      else { return nil }
      return "worker \(index) loses frames, since interrupts take most of its processor \(processor): have another "
        + "processor receive (/proc/irq/*/smp_affinity), or a thread that shares fairly "
        + "(echo 1 > /sys/class/net/INTERFACE/threaded)"
    }
  }
}
