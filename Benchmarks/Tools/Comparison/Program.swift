import Director
import Foundation
import LVS

/// Measures parts of the director that need no network, beside their twins in C, and prints JSON:
///
///     comparison pipe|workers|tables|connections|schedulers [--rounds N] [--quick]
///
/// `--quick` leaves the large tables out and makes few picks.
@main struct Program {
  private let rounds: Rounds
  private let isQuick: Bool

  static func main() throws {
    var words = CommandLine.arguments.dropFirst()
    let part = words.popFirst()
    let isQuick = words.contains("--quick")
    let count = words.firstIndex(of: "--rounds").flatMap { words.dropFirst($0 - words.startIndex + 1).first }
    let program = Program(rounds: Rounds(count: count.flatMap { Int($0) } ?? 15), isQuick: isQuick)
    switch part {
    case "pipe": try show(program.pipe())
    case "workers": try show(program.workers())
    case "tables": try show(program.tables())
    case "connections": try show(program.connections())
    case "schedulers": try show(program.schedulers())
    default:
      FileHandle.standardError.write(
        Data("usage: comparison pipe|workers|tables|connections|schedulers [--rounds N] [--quick]\n".utf8))
      exit(2)
    }
  }

  private var sizes: [Int] { isQuick ? [1 << 16] : [1 << 16, 1 << 20, 10_000_000] }

  private func pipe() throws -> [Figure] {
    try ([1] + sizes).flatMap { try PipeComparison(flows: $0, rounds: rounds).run() }
  }

  private func workers() throws -> [Figure] {
    try sizes.prefix(2).flatMap { try WorkerComparison(flows: $0, rounds: rounds).run() }
  }

  private func tables() throws -> [Figure] {
    let memory = Figure(name: "a connection's memory", unit: "bytes", value: Double(TableBench.bytesPerConnection))
    let largest = sizes[sizes.count - 1]
    return try sizes.flatMap { try TableComparison(flows: $0, rounds: rounds).run() } + [memory]
      + PauseMeasurement(flows: largest).run()
  }

  private func connections() throws -> [Figure] {
    try [16, 1_000].map { try PipeComparison.openings(rounds, servers: $0) }
  }

  private func schedulers() -> [SchedulerBench.Result] {
    [4, 16, 256, 1_024].flatMap { servers in
      SchedulerName.all.compactMap { scheduler in
        var bench = SchedulerBench(scheduler: scheduler, servers: servers)
        if isQuick { bench.picks = 1 << 12 }
        return bench.run()
      }
    }
  }

  private static func show(_ figures: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    print(String(decoding: try encoder.encode(figures), as: UTF8.self))
  }
}
