import LVS
import Testing

@testable import Director

/// Nothing that a file says is believed that could do harm.
@Suite("State that is damaged, or another's")
struct DamageTests {
  /// State with something of everything, and what was in force.
  private func made() throws -> (TestState, DesiredState, now: UInt32) {
    let state = try TestState()
    let director = try TestDirector(connections: 1 << 13, in: state.open())
    var history = StateHistory(random: SplitMix64(seed: 5))
    for change in StateHistory.services { try director.apply(change) }
    var frames = 0
    while frames < 400 {
      guard case .frame(let frame) = history.step() else { continue }
      _ = director.outcome(frame)
      frames += 1
    }
    try state.open().keep(Array("what was in force".utf8))
    return (state, director.services.desired, director.now)
  }

  /// Begins anew, and checks that what is there fits together and works.
  private func resume(_ state: TestState, _ desired: DesiredState, _ now: UInt32) throws {
    let directory = try state.open()
    guard directory.isFound else { return }
    let director = try TestDirector(connections: 1 << 13, in: directory, resuming: desired, at: now)
    var counted = (connections: 0, templates: 0)
    let servers = director.services.shared.servers
    for record in director.connections.map(\.record) { #expect(ConnectionState(rawValue: record.state) != nil) }
    for service in director.services.slots.compactMap({ $0 }) {
      let numbers = service.locked { state in (0..<state.list.count).map { state.list[$0].id } + state.trash.values }
      for number in numbers {
        counted.connections += Int(servers[stateOf: number].connections)
        counted.templates += Int(servers[number].templates.load(ordering: .relaxed))
      }
    }
    #expect(counted.connections == director.connectionCount)
    #expect(counted.templates == director.templates.count)
    var history = StateHistory(random: SplitMix64(seed: UInt64(now)))
    for _ in 0..<30 {
      switch history.step() {
      case .frame(let frame): _ = director.outcome(frame)
      case .wait(let ticks): director.wait(ticks: min(ticks, 100))
      // Servers that are there already, or are not: refused as ever.
      case .change(let change): try? director.apply(change)
      }
    }
    director.wait(seconds: 2)
  }

  @Test("any byte of what is in force, or of what it all belongs to: all is set aside, and nothing is found")
  func words() throws {
    for file in ["manifest", "configuration"] {
      let (state, _, _) = try made()
      for offset in 0..<(try state.files[file] ?? 0) {
        let copy = try state.copy()
        try copy.damage(file, at: offset, by: 1 << UInt8(offset % 8))
        #expect(try !copy.open().isFound)
        #expect(copy.told.count == 1)
        #expect(try copy.files.isEmpty)
      }
    }
  }

  @Test(
    "any byte of the tables: what it belongs to is dropped, or is another, and all fits together",
    arguments: ["connections.1.0", "templates", "servers", "services", "vips", "traffic.1.0", "figures", "call-ids"])
  func tables(file: String) throws {
    let (state, desired, now) = try made()
    var random = SplitMix64(seed: 3)
    for part in try state.written(file) {
      let records = part.prefix(MemoryLayout<Connection>.stride * 12)
      for offset in Array(records)
        + (0..<60).map({ _ in Int(random.next(through: UInt64(part.count) - 1)) + part.lowerBound })
      {
        let copy = try state.copy()
        try copy.damage(file, at: offset, by: UInt8(random.next(through: 254)) + 1)
        try resume(copy, desired, now)
      }
    }
  }

  @Test("whole files of noise")
  func noise() throws {
    let (state, desired, now) = try made()
    var random = SplitMix64(seed: 4)
    for _ in 0..<20 {
      let copy = try state.copy()
      for file in try copy.files.keys where !["manifest", "configuration"].contains(file) {
        for part in try copy.written(file) {
          for _ in 0..<500 {
            let offset = Int(random.next(through: UInt64(part.count) - 1)) + part.lowerBound
            try copy.damage(file, at: offset, by: UInt8(random.next(through: 254)) + 1)
          }
        }
      }
      try resume(copy, desired, now)
    }
  }

  @Test("state of another interface, VLAN, boot, machine or layout is refused by name")
  func others() throws {
    let place = StateManifest.Place(boot: "b", machine: "m", interface: "eth0", vlan: 7)
    let manifest = StateManifest(place: place, seed: 1, generation: 3, workers: 2)
    let sealed = SealedText.seal(Array(manifest.text.utf8))
    #expect(try StateManifest(sealed, at: place) == manifest)
    func refusal(_ change: (inout StateManifest.Place) -> Void) -> StateManifest.Refusal? {
      var other = place
      change(&other)
      do throws(StateManifest.Refusal) { _ = try StateManifest(sealed, at: other) } catch { return error }
      return nil
    }
    #expect(refusal { $0.boot = "c" } == .otherBoot)
    #expect(refusal { $0.machine = "n" } == .otherMachine)
    #expect(refusal { $0.interface = "eth1" } == .otherInterface("eth0.7"))
    #expect(refusal { $0.vlan = 0 } == .otherInterface("eth0.7"))
    let text = manifest.text.replacing("layout: 1", with: "layout: 0")
    #expect(throws: StateManifest.Refusal.otherLayout) {
      try StateManifest(SealedText.seal(Array(text.utf8)), at: place)
    }
  }

  /// Whoever changes one of these raises `StateManifest.layout`: state of the version before must not be read as this
  /// one's.
  @Test("the layout of what outlives the process")
  func layout() {
    #expect(StateManifest.layout == 1)
    #expect(StateManifest.records == [56, 32, 88, 56, 32, 32])
    #expect(Connection.lanePlace == 54)
    #expect(MemoryLayout<Connection>.offset(of: \.flags) == 53)
    #expect(MemoryLayout<Connection>.offset(of: \.seal) == 55)
    #expect(MemoryLayout<Connection>.offset(of: \.server) == 24)
    #expect(MemoryLayout<Connection>.offset(of: \.expires) == 28)
    #expect(MemoryLayout<SavedServer>.offset(of: \.zero) == 32)
    #expect(ServerTable.capacity == 1 << 18 && ServiceTable.capacity == 1 << 16)
    #expect(Lane.allCases.count == 6 && ConnectionState.allCases.count == 18)
  }
}
