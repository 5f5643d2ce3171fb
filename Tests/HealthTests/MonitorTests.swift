import Glibc
import LVS
import NIOCore
import Synchronization
import Testing

@testable import Health

@Suite("The monitor")
struct MonitorTests {
  /// What a monitor told, in order.
  private final class Reports: Sendable {
    private let all = Mutex<[HealthReport]>([])
    func add(_ report: HealthReport) { all.withLock { $0.append(report) } }

    var changes: [Health] {
      all.withLock { reports in
        reports.compactMap { if case .changed(let status) = $0 { status.health } else { nil } }
      }
    }

    var troubles: [String] {
      all.withLock { reports in
        reports.compactMap { if case .unclear(_, let words) = $0 { words } else { nil } }
      }
    }
  }

  @Test("A server goes down and comes back; each change is told once")
  func downAndUp() async throws {
    let reports = Reports()
    let monitor = try HealthMonitor { reports.add($0) }
    let isBroken = Mutex(false)
    let server = try await LoopbackServer { channel, _ in
      channel.say("HTTP/1.1 \(isBroken.withLock { $0 } ? 500 : 200) X\r\n\r\n")
    }
    var check = patient(.http(.init()))
    (check.rise, check.fall) = (3, 3)
    monitor.watch([target(check, port: server.port)])
    try await eventually { reports.changes == [.up] ? true : nil }
    isBroken.withLock { $0 = true }
    try await eventually { reports.changes == [.up, .down] ? true : nil }
    let status = try #require(await monitor.status().first)
    #expect(status.health == .down)
    #expect(status.last?.outcome == .bad("HTTP 500 (wanted: 200-399)"))
    isBroken.withLock { $0 = false }
    try await eventually { reports.changes == [.up, .down, .up] ? true : nil }
  }

  @Test("Another set of targets: what stays goes on, what goes is asked no more")
  func retargeting() async throws {
    let monitor = try HealthMonitor { _ in }
    let (first, second) = (try await LoopbackServer(), try await LoopbackServer())
    let (one, two) = (
      target(patient(.tcp(.init())), port: first.port), target(patient(.tcp(.init())), port: second.port)
    )
    monitor.watch([one, two])
    try await eventually { await monitor.status().allSatisfy { $0.counts.good > 2 } ? true : nil }
    monitor.watch([two])
    let kept = try await eventually { await monitor.status().first }
    #expect(kept.name == two.name)
    #expect(kept.counts.good > 2)
    monitor.watch([])
    #expect(await monitor.status().isEmpty)
    monitor.watch([one])
    // Those that were on their way arrive, and then there is a time in which only the other one is asked.
    try await eventually {
      let count = second.connections.count
      let good = await monitor.status().first?.counts.good ?? 0
      try await eventually { await monitor.status().first?.counts.good ?? 0 > good + 3 ? true : nil }
      return second.connections.count == count ? true : nil
    }
  }

  @Test("A check that changed begins anew")
  func changedCheck() async throws {
    let monitor = try HealthMonitor { _ in }
    let server = try await LoopbackServer()
    monitor.watch([target(patient(.tcp(.init())), port: server.port)])
    try await eventually { await monitor.status().first?.health == .up ? true : nil }
    monitor.watch([target(hasty(.tcp(.init(expect: Payload("never")))), port: server.port)])
    try await eventually { await monitor.status().first?.health == .down ? true : nil }
  }

  @Test("With a timeout above the interval the next attempt begins before the last is over")
  func overlap() async throws {
    let monitor = try HealthMonitor { _ in }
    let server = try await LoopbackServer()
    var check = patient(.tcp(.init(expect: Payload("never"))))
    check.timeout = .seconds(600)
    monitor.watch([target(check, port: server.port)])
    let counts = try await eventually { server.connections.count > 1 ? await monitor.status().first?.counts : nil }
    #expect(counts == AttemptCounts())
  }

  @Test("An answer overtakes attempts that began before it")
  func overtaking() async throws {
    let monitor = try HealthMonitor { _ in }
    let visits = LoopbackServer.Counter()
    // The first two are never answered, all others at once.
    let server = try await LoopbackServer(greet: { channel in
      visits.add()
      if visits.count > 2 { channel.say("ok") }
    })
    var check = patient(.tcp(.init(expect: Payload("ok"))))
    check.timeout = .seconds(50)
    monitor.watch([target(check, port: server.port)])
    try await eventually { await monitor.status().first?.counts.good ?? 0 > 5 ? true : nil }
    #expect(await monitor.status().first?.counts.bad == 0)
  }

  @Test("What the director cannot do changes no health and is told once")
  func trouble() async throws {
    let reports = Reports()
    let monitor = try HealthMonitor { reports.add($0) }
    let check = HealthCheck(.tcp(.init()), interval: .milliseconds(10))
    let vip = ServiceKey("tcp:127.0.0.1:80")!
    monitor.watch([CheckTarget(RealServer(Endpoint("127.0.0.2:80")!), of: vip, check, .vip)])
    let status = try await eventually { await monitor.status().first.flatMap { $0.counts.unclear > 5 ? $0 : nil } }
    #expect(status.health == .unknown)
    #expect(reports.troubles == ["this data plane has no way to a VIP at one server"])
    #expect(reports.changes.isEmpty)
  }

  @Test("A thread that comes too late blames no server for it, unless silence is all that ever comes")
  func lateness() async throws {
    let (mute, fickle) = (try await LoopbackServer(), LoopbackServer.Counter())
    let flapping = try await LoopbackServer(greet: { channel in
      fickle.add()
      if fickle.count % 2 == 0 { channel.say("ok") } else { channel.close(promise: nil) }
    })
    let isHeld = Mutex(false)
    let monitor = try HealthMonitor { _ in
      // The thread is held up once, while the mute server is being asked.
      let holds =
        mute.connections.count > 0
        && isHeld.withLock { held in
          defer { held = true }
          return !held
        }
      if holds { usleep(1_000_000) }
    }
    var check = patient(.tcp(.init(expect: Payload("ok"))))
    check.flapLimit = 0
    let name = target(hasty(.http(.init())), port: mute.port)
    monitor.watch([name, target(check, port: flapping.port)])
    func status() async -> TargetStatus? { await monitor.status().first { $0.name == name.name } }
    try await eventually { await status()?.counts.unclear ?? 0 > 0 ? true : nil }
    try await eventually { await status()?.health == .down ? true : nil }
  }

  @Test("A flapping farm: a thousand servers that answer every other time are all asked and all told of")
  func flapping() async throws {
    let monitor = try HealthMonitor { _ in }
    let visits = LoopbackServer.Counter()
    let server = try await LoopbackServer(greet: { channel in
      visits.add()
      if visits.count % 2 == 0 { channel.say("ok") } else { channel.close(promise: nil) }
    })
    var check = patient(.tcp(.init(expect: Payload("ok"))))
    check.interval = .seconds(1)
    let targets = (1...1000).map { number in
      CheckTarget(
        RealServer(Endpoint(IPAddress("127.0.0.1")!, server.port)), of: ServiceKey("fwmark:\(number)")!, check, .rip)
    }
    monitor.watch(targets)
    // To ask for the state of a thousand takes the time of many checks.
    try await eventually { visits.count > 2 * targets.count ? true : nil }
    try await eventually { await monitor.status().allSatisfy { $0.counts.good + $0.counts.bad > 1 } ? true : nil }
    #expect(await monitor.status().count == 1000)
    #expect(await monitor.status().allSatisfy { $0.counts.unclear == 0 })
  }
}
