import LVS
import Testing

@testable import Director

@Suite("The scheduler benchmark")
struct SchedulerBenchTests {
  @Test("Every scheduler is measured", arguments: SchedulerName.all)
  func measures(name: SchedulerName) throws {
    let bench = SchedulerBench(scheduler: name, servers: 16, picks: 4400, timeLimit: .seconds(60), mhTableSize: 1021)
    let result = try #require(bench.run())
    #expect(result.name == name.rawValue && result.servers == 16 && result.picks == 4400)
    #expect(result.secondsPerPick > 0 && result.secondsPerConnection > 0)
    #expect((result.picksPerSecond * result.secondsPerPick * 1e9).rounded() == 1_000_000_000)
    #expect((result.mhBuildSeconds != nil) == (name == .mh))
    #expect((result.mhDisruption != nil) == (name == .mh))
    let hasShares = ![SchedulerName.fo, .ovf, .dh, .lblc, .lblcr].contains(name)
    #expect((result.evenness != nil) == hasShares)
  }

  @Test("Round robin is even over whole cycles, by weight where it has weights", arguments: [SchedulerName.rr, .wrr])
  func evenness(name: SchedulerName) {
    // 16 servers of the weights 1…10, 1…6: a cycle of 76.
    let bench = SchedulerBench(scheduler: name, servers: 16, picks: 16 * 76, timeLimit: .seconds(60))
    #expect(bench.run()?.evenness == 0)
  }

  @Test("A server that goes takes few of the other servers' clients of mh along")
  func disruption() throws {
    let bench = SchedulerBench(scheduler: .mh, servers: 16, picks: 1024, timeLimit: .zero)
    let moved = try #require(bench.run()?.mhDisruption)
    // A table that is filled anew from nothing would move fifteen of sixteen.
    #expect(moved < 0.1)
  }

  @Test("The time limit ends a run")
  func timeLimit() throws {
    let result = try #require(SchedulerBench(scheduler: .rr, servers: 4, picks: 1 << 20, timeLimit: .zero).run())
    #expect(result.picks == 1024)
  }

  @Test("An unknown scheduler has no result")
  func unknown() {
    #expect(SchedulerBench(scheduler: SchedulerName(rawValue: "xyz"), servers: 4).run() == nil)
  }
}
