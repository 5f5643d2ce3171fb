import Director
import Foundation
import LVS

/// Measures parts of the director that need no network, beside their twins in C, and prints JSON:
///
///     comparison pipe|tables|connections|schedulers [ROUNDS]
@main struct Program {
  private static let sizes = [1 << 16, 1 << 20, 10_000_000]

  static func main() throws {
    let words = CommandLine.arguments.dropFirst()
    let rounds = Rounds(count: words.dropFirst().first.flatMap { Int($0) } ?? 15)
    switch words.first {
    case "pipe": try show(([1] + sizes).flatMap { try PipeComparison(flows: $0, rounds: rounds).run() })
    case "tables": try show(tables(rounds))
    case "connections":
      try show([
        PipeComparison.openings(rounds, servers: 16, aim: ">= 2000000"),
        PipeComparison.openings(rounds, servers: 1_000, aim: ">= 1000000"),
      ])
    case "schedulers": try show(schedulers())
    default:
      FileHandle.standardError.write(Data("usage: comparison pipe|tables|connections|schedulers [ROUNDS]\n".utf8))
      exit(2)
    }
  }

  private static func tables(_ rounds: Rounds) throws -> [Figure] {
    let memory = Figure(
      name: "a connection's memory", unit: "octets", value: Double(TableBench.bytesPerConnection), aim: "<= 64")
    return try sizes.flatMap { try TableComparison(flows: $0, rounds: rounds).run() } + [memory]
      + PauseMeasurement(flows: sizes[2]).run()
  }

  private static func schedulers() -> [SchedulerBench.Result] {
    [4, 16, 256, 1_024].flatMap { servers in
      SchedulerName.all.compactMap { SchedulerBench(scheduler: $0, servers: servers).run() }
    }
  }

  private static func show(_ figures: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    print(String(decoding: try encoder.encode(figures), as: UTF8.self))
  }
}
