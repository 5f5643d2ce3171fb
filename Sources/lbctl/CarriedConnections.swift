import Control
import Director
import KernelIPVS
import LVS

/// The connections and templates of the VIPs that move, on their way from one plane to the other.
struct CarriedConnections {
  /// Seconds after which a VIP is no longer taken for one that moves, should this program die.
  private static let patience: UInt32 = 10
  private static let batch = 500
  /// How often a kernel is told again of what it has not entered, and milliseconds in between.
  private static let repetitions = (count: 50, pause: 20)
  /// Where the kernel is told: nobody else sends there, and nothing of it leaves the host.
  private static let door = (interface: "lo", group: IPAddress(v4: 0xe000_0051), port: UInt16(8_847))

  let vips: Set<IPAddress>
  /// Firewall marks whose templates go along.
  let marks: Set<UInt32>
  /// How many went along, and how many could not, by the reason.
  private(set) var carried = 0
  private(set) var left: [String: Int] = [:]

  init(_ moved: [ServiceDefinition]) {
    vips = Set(moved.compactMap(\.service.key.address))
    marks = Set(
      moved.compactMap { if case .fwmark(let mark, _) = $0.service.key { mark } else { nil } })
  }

  /// From now on `lbd` leaves what it does not know of these VIPs unanswered, instead of scheduling or refusing it.
  func begin(_ lbd: ControlClient) async throws { try await move(lbd, Self.patience) }
  func end(_ lbd: ControlClient) async throws { try await move(lbd, 0) }

  private func move(_ lbd: ControlClient, _ seconds: UInt32) async throws {
    _ = try await lbd.call(API.moving, VIPMove(Array(vips), seconds: seconds))
  }

  private func isCarried(_ row: ConnectionStatus) -> Bool {
    row.transport == "ip" ? marks.contains(row.virtual.address.v4) : vips.contains(row.virtual.address)
  }

  private func rows(of client: any DirectorClient) async throws -> [ConnectionStatus] {
    var rows: [ConnectionStatus] = []
    try await client.connections(ConnectionFilter()) { rows += $0.filter(isCarried) }
    return rows
  }

  /// Enters in `lbd` all that the kernel has, whose list is whole and does not change any more.
  mutating func carry(from kernel: KernelClient, to lbd: ControlClient) async throws {
    let rows = try await rows(of: kernel)
    for start in stride(from: 0, to: rows.count, by: Self.batch) {
      try await begin(lbd)
      let outcomes = try await lbd.call(API.enterConnections, Array(rows[start..<min(start + Self.batch, rows.count)]))
      for (outcome, count) in outcomes where count > 0 {
        if ["entered", "known"].contains(outcome) {
          carried += Int(count)
        } else {
          left[outcome, default: 0] += Int(count)
        }
      }
    }
  }

  /// Tells the kernel's backup of all that `lbd` has: first of what there is, then, when nothing new begins any more, of
  /// what came since. Sync datagrams are the only way into a kernel's table, which may lose some: it is told again of
  /// what its list has not got.
  mutating func carry(from lbd: ControlClient, to kernel: KernelClient) async throws {
    var daemon = SyncDaemon(
      .backup, interface: Self.door.interface, syncID: UInt32.random(in: 1...255), group: Self.door.group,
      port: Self.door.port)
    do { try await kernel.ask { [daemon] table throws(KernelError) in try table.start(daemon) } } catch {
      left["the kernel's sync backup runs already, and there is one at most"] = try await rows(of: lbd).count
      return
    }
    let backup = daemon
    daemon.role = .master
    do {
      let teller = try SyncTeller(daemon)
      _ = try await tell(teller, of: lbd, kernel)
      try await begin(lbd)
      let missing = try await tell(teller, of: lbd, kernel)
      if missing > 0 { left["the kernel did not take them"] = missing }
    } catch {
      try? await kernel.ask { table throws(KernelError) in try table.stop(backup) }  // The first error counts.
      throw error
    }
    try await kernel.ask { table throws(KernelError) in try table.stop(backup) }
  }

  /// - Returns: how many the kernel has not got in the end.
  private mutating func tell(_ teller: SyncTeller, of lbd: ControlClient, _ kernel: KernelClient) async throws -> Int {
    let rows = try await rows(of: lbd)
    var missing = rows
    for _ in 0..<Self.repetitions.count where !missing.isEmpty {
      try await teller.tell(missing.compactMap { FlowRecord($0) })
      try await Task.sleep(for: .milliseconds(Self.repetitions.pause))
      let there = Set(try await self.rows(of: kernel).map(Self.identity))
      missing.removeAll { there.contains(Self.identity($0)) }
    }
    carried = rows.count - missing.count
    return missing.count
  }

  /// What a row is the same by in both tables: all but its end, and of a template whether it is assured.
  private static func identity(_ row: ConnectionStatus) -> ConnectionStatus {
    var row = row
    (row.state, row.expires) = (row.isTemplate ? "" : row.state, 0)
    return row
  }

  /// A line for people; nil where there was nothing to carry.
  var line: String? {
    let lost = left.sorted { $0.key < $1.key }.map { "\($0.value) left: \($0.key)" }
    let all = (carried > 0 ? ["\(carried) \(carried == 1 ? "connection" : "connections") went along"] : []) + lost
    return all.isEmpty ? nil : all.joined(separator: "; ")
  }
}
