import LVS
import Testing

@testable import Director

/// A director that ends and begins anew is, to its clients, the same as one that goes on.
@Suite("State outlives the process")
struct RestartTests {
  /// Two directors that live through the same: one goes on, the other is begun anew again and again.
  private final class Twins {
    let state: TestState
    let living: TestDirector
    var restarted: TestDirector
    var restarts = 0

    init() throws {
      state = try TestState()
      living = try TestDirector()
      restarted = try TestDirector(in: state.open())
    }

    func restart() throws {
      let (desired, now) = (restarted.services.desired, restarted.now)
      restarted = try TestDirector(in: state.open(), resuming: desired, at: now)
      restarts += 1
    }

    /// Both take the step, and the same comes of it.
    func take(_ step: StateHistory.Step) throws {
      switch step {
      case .change(let change):
        let outcomes = [living, restarted].map { director -> String in
          do { try director.apply(change) } catch { return "\(error)" }
          return ""
        }
        #expect(outcomes[0] == outcomes[1])
      case .wait(let ticks): for director in [living, restarted] { director.wait(ticks: ticks) }
      case .frame(let frame): #expect(living.outcome(frame) == restarted.outcome(frame))
      }
    }

    /// What the directors have, in an order that tables do not decide.
    func compare() {
      let (a, b) = (living.services.status(), restarted.services.status())
      for (one, other) in zip(a, b) {
        #expect(one.service == other.service)
        #expect(one.statistics == other.statistics)
        for (server, twin) in zip(one.servers, other.servers) {
          #expect(server.server == twin.server)
          #expect(server.activeConnections == twin.activeConnections)
          #expect(server.inactiveConnections == twin.inactiveConnections)
          #expect(server.persistentConnections == twin.persistentConnections)
          #expect(server.isOverloaded == twin.isOverloaded)
          #expect(server.statistics == twin.statistics)
        }
      }
      #expect(a.count == b.count)
      #expect(living.services.total.statistics == restarted.services.total.statistics)
      #expect(
        Self.rows(living.connections.map(\.record), living) == Self.rows(restarted.connections.map(\.record), restarted)
      )
      #expect(Self.rows(living.templates, living) == Self.rows(restarted.templates, restarted))
    }

    private static func rows(_ records: [Connection], _ director: TestDirector) -> [String] {
      records.map { record in
        let server = director.services.shared.servers[record.server].endpoint
        let parent = record.flags.contains(.template) ? "\(record.children)" : record.parent == 0 ? "" : "child"
        let flags = record.flags.intersection([.inactive, .template, .assured]).rawValue
        return "\(record.high) \(record.low) \(record.clientPort) \(director.vip(record.vip)):\(record.virtualPort) "
          + "\(server) \(record.state) \(record.expires) \(record.packets) \(flags) \(record.lane) \(parent)"
      }.sorted()
    }
  }

  @Test("whatever happens, and whenever it ends", arguments: [1, 2, 3, 4] as [UInt64])
  func history(seed: UInt64) throws {
    let twins = try Twins()
    var history = StateHistory(random: SplitMix64(seed: seed))
    for change in StateHistory.services { try twins.take(.change(change)) }
    var most = 0
    for step in 0..<6_000 {
      try twins.take(history.step())
      if history.below(100) == 0 { try twins.restart() }
      if step % 100 == 0 { twins.compare() }
      most = max(most, twins.living.connectionCount)
    }
    twins.compare()
    #expect(twins.restarts > 30)
    #expect(most > 50, "a history in which nothing happens proves nothing")
    #expect(twins.state.told == [])
  }

  @Test("figures count from their zero point, whose may be another for each")
  func zero() throws {
    let twins = try Twins()
    var history = StateHistory(random: SplitMix64(seed: 9))
    for change in StateHistory.services { try twins.take(.change(change)) }
    for key in [StateHistory.key(80), nil, StateHistory.key(81)] {
      for _ in 0..<300 { try twins.take(history.step()) }
      for director in [twins.living, twins.restarted] { try director.services.zero(key) }
      for _ in 0..<100 { try twins.take(history.step()) }
      try twins.restart()
      twins.compare()
    }
  }

  @Test("a record that was not written to its end is nobody's")
  func halfWritten() throws {
    let state = try TestState()
    let director = try TestDirector(in: state.open())
    for change in StateHistory.services { try director.apply(change) }
    for port in 0..<20 as Range<UInt16> {
      _ = director.outcome(TestFrame(destination: StateHistory.vip).tcp("S", from: 2_000 + port, to: 80))
    }
    let file = try #require(try state.files.keys.first { $0.hasPrefix("connections") })
    let stride = MemoryLayout<Connection>.stride
    // Its flag is the last thing that is written, so this is how it looks before.
    let flags = try #require(MemoryLayout<Connection>.offset(of: \.flags))
    try state.damage(file, at: 7 * stride + flags, by: Connection.Flags.whole.rawValue)
    let next = try TestDirector(in: state.open(), resuming: director.services.desired, at: director.now)
    #expect(next.connectionCount == 19)
    #expect(next.counts(StateHistory.key(80)).values.reduce(0) { $0 + $1[1] } == 19)
  }

  @Test("other numbers of workers and connections: each record goes to the worker that owns its client")
  func otherShape() throws {
    let state = try TestState()
    let director = try TestDirector(in: state.open())
    for change in StateHistory.services { try director.apply(change) }
    for n in 0..<500 as Range<UInt32> {
      let frame = TestFrame(source: IPAddress(v4: 0x0a02_0000 + n), destination: StateHistory.vip)
      _ = director.outcome(frame.tcp("S", from: 2_000, to: 80))
    }
    let before = director.services.status()
    for (workers, connections) in [(3, 1 << 16), (3, 1 << 11), (1, 1 << 12), (2, 1 << 17)] {
      let directory = try state.open()
      let kept = try KeptState(directory, workers: workers, connections: connections)
      let shared = try SharedTables(
        connections: connections, workers: workers, templates: 1 << 12, seed: 1, in: directory)
      let counters = try (0..<workers).map { try Counters(in: directory, kept.manifest.traffic($0)) }
      let services = Services(shared: shared, counters: counters, seed: 1)
      var tables = try (0..<workers).map { worker in
        Parcel(try ConnectionTable(capacity: connections, seed: 1, in: directory, kept.manifest.connections(worker)))
      }
      _ = try kept.resume(services, &tables, director.services.desired, link: director.link, now: director.now)
      var count = 0
      for (worker, box) in tables.enumerated() {
        guard let table = box.take() else { continue }
        let ownership = Ownership(worker: UInt32(worker), workers: UInt32(workers))
        _ = table.visit(from: 1, limit: .max) { _, record in
          #expect(ownership.owner(of: record.client(.v4)) == UInt32(worker))
        }
        count += table.count
      }
      #expect(count == 500)
      #expect(services.status() == before)
      #expect(try Set(state.files.keys.filter { $0.hasPrefix("connections") }).count == workers)
    }
  }
}
