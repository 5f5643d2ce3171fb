/// What only `mh` is asked: how long its table takes, and how much of it stays when a server goes.
extension SchedulerBench {
  private static let clients = 1 << 16

  func mhBuildSeconds() -> Double? {
    guard scheduler == .mh else { return nil }
    let list = list()
    let table = MaglevHashing(flags: [], tableSize: mhTableSize)
    let clock = ContinuousClock()
    return (0..<3).map { _ in clock.measure { table.bind(list) }.nanoseconds / 1e9 }.min()
  }

  func mhDisruption() -> Double? {
    guard scheduler == .mh, servers > 1 else { return nil }
    var list = list()
    let table = MaglevHashing(flags: [], tableSize: mhTableSize)
    table.bind(list)
    let before = choices(table, list)
    let gone = list[servers / 2].id
    list.remove(at: servers / 2)
    table.changed(by: [.removed(at: servers / 2)], list)
    let others = zip(before, choices(table, list)).filter { $0.0 != gone }
    return Double(others.count { $0.0 != $0.1 }) / Double(max(others.count, 1))
  }

  /// The server of each client.
  private func choices(_ table: MaglevHashing, _ list: borrowing ServerList) -> [ServerNumber?] {
    var choices: [ServerNumber?] = []
    for number in 0..<Self.clients {
      let position = table.pick(Self.connection(number), list)
      choices.append(position.map { list[$0].id })
    }
    return choices
  }
}
