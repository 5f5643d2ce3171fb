import ArgumentParser
import Control
import Director
import LVS

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measures parts of the director on this machine, without lbd.",
    subcommands: [Schedulers.self])

  struct Schedulers: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Measures the schedulers: time per pick, and how evenly the weights are met.",
      discussion: """
        Server i has the weight 1 + i mod 10. NS/PICK is a pick alone, NS/CONNECTION with the load changes that a
        connection brings; DEVIATION is the largest relative distance of a server's picks from its share. DISRUPTION
        is how many of the other servers' clients mh moves when one server goes.

        Examples:
          lbctl bench schedulers
          lbctl bench schedulers -s mh -n 256 --json
        """)

    @Option(
      name: .shortAndLong, help: ArgumentHelp("One of them, or all.", valueName: "name"),
      completion: .list(["all"] + SchedulerName.all.map(\.rawValue)))
    var scheduler = "all"

    @Option(name: [.customShort("n"), .long], help: "How many real servers.")
    var servers = 16

    @OptionGroup var form: FormOptions

    func validate() throws {
      if !(1...100_000).contains(servers) { throw ValidationError("\(servers) servers are not in 1 to 100000") }
      if scheduler != "all", !SchedulerName.all.contains(SchedulerName(rawValue: scheduler)) {
        throw ValidationError(PlaneError.unknownScheduler(scheduler).description)
      }
    }

    func run() throws {
      let names = scheduler == "all" ? SchedulerName.all : [SchedulerName(rawValue: scheduler)]
      let results = names.compactMap { SchedulerBench(scheduler: $0, servers: servers).run() }
      try show(results, asJSON: form.json) { results in
        columns(
          ["SCHEDULER", "SERVERS", "PICKS/S", "NS/PICK", "NS/CONNECTION", "DEVIATION", "BUILD MS", "DISRUPTION"],
          results.map(row))
      }
    }

    private func row(_ result: SchedulerBench.Result) -> [String] {
      [
        result.name, String(result.servers), String(Int(result.picksPerSecond)), decimal(result.secondsPerPick * 1e9),
        decimal(result.secondsPerConnection * 1e9), result.evenness.map { decimal($0 * 100) + " %" } ?? "-",
        result.mhBuildSeconds.map { decimal($0 * 1000) } ?? "-",
        result.mhDisruption.map { decimal($0 * 100) + " %" } ?? "-",
      ]
    }

    /// One digit after the point.
    private func decimal(_ value: Double) -> String {
      let tenths = Int((value * 10).rounded())
      return "\(tenths / 10).\(tenths % 10)"
    }
  }
}
