// Stands in for Director's SchedulerBench until it is there; this file then goes.
import LVS

struct SchedulerBench {
  struct Result: Codable {
    var name = ""
    var servers = 0
    var picksPerSecond = 0.0
    var nanosecondsPerPick = 0.0
    var nanosecondsPerConnection = 0.0
    var evenness: Double?
    var mhBuildMilliseconds: Double?
  }

  var scheduler: SchedulerName
  var servers: Int

  func run() -> Result? { Result(name: scheduler.rawValue, servers: servers) }
}
