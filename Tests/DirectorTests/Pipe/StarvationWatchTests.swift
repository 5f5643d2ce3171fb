import Testing

@testable import Director

@Suite("Workers that starve beside interrupts")
struct StarvationWatchTests {
  @Test("Processor times are read as the kernel writes them")
  func parse() {
    let times = InterruptLoad.parse(
      "cpu 30 0 20 900 0 6 40 0 0 0 cpu0 10 0 10 500 0 2 10 0 0 0 cpu1 20 0 10 400 0 4 30 1 0 0 intr 12345 cpu7 1 2")
    #expect(times.keys.sorted() == [0, 1])
    #expect(times[0]?.interrupts == 12 && times[0]?.all == 532)
    #expect(times[1]?.interrupts == 34 && times[1]?.all == 465)
  }

  @Test(
    "A worker is named that loses frames while interrupts take most of its processor",
    arguments: [
      (interrupts: 80, drops: 5, isNamed: true), (interrupts: 80, drops: 0, isNamed: false),
      (interrupts: 40, drops: 5, isNamed: false),
    ])
  func starves(_ second: (interrupts: UInt64, drops: UInt64, isNamed: Bool)) {
    var watch = StarvationWatch()
    #expect(watch.look([(0, 9), (1, 9)], times: [0: (100, 1_000), 1: (100, 1_000)]).isEmpty, "nothing to compare with")
    let lines = watch.look(
      [(0, 9), (1, 9 + second.drops)], times: [0: (190, 1_100), 1: (100 + second.interrupts, 1_100)])
    #expect(lines.map { $0.hasPrefix("worker 1 loses frames") } == (second.isNamed ? [true] : []))
  }

  @Test("A worker that has not run yet is not blamed")
  func unknown() {
    var watch = StarvationWatch()
    _ = watch.look([(nil, 0)], times: [0: (0, 100)])
    #expect(watch.look([(nil, 5)], times: [0: (100, 200)]).isEmpty)
  }
}
