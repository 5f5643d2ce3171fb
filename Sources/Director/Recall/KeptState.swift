import LVS

/// What outlives the process, as a plane that starts finds it and goes on with it.
struct KeptState: Sendable {
  /// Milliseconds without a sign of life within which no other director can have taken a VIP (`VIPTiming`).
  private static let grace = VIPTiming.retryInterval

  let directory: StateDirectory
  let manifest: StateManifest
  /// Whether an earlier process left anything.
  let isFound: Bool

  init(_ directory: StateDirectory, workers: Int, connections: Int) throws(SystemError) {
    self.directory = directory
    isFound = directory.found != nil
    manifest = try directory.layOut(workers: workers, connections: connections)
  }

  /// Takes over what is found, before workers begin; what became of it, in words.
  func resume(
    _ services: Services, _ tables: inout [Parcel<ConnectionTable>], _ configuration: DesiredState, link: Link,
    now: UInt32
  ) throws(PlaneError) -> String {
    let shared = services.shared
    let judge = services.recall(now)
    var refused = shared.persistence.recover(now) { judge.admits(template: &$0) }
    var count = 0
    tables = tables.map { box in
      guard var table = box.take() else { return box }
      refused += table.recover(now) { shared.admit(&$0, judge) }
      count += table.count
      return Parcel(table)
    }
    try services.resume(configuration, link: link, freePages: Memory.freePages, now: now)
    let damaged = refused == 0 ? "" : "; \(refused) damaged ones were dropped"
    return
      "goes on with \(count) connections and \(shared.persistence.count) templates from \(directory.path)\(damaged)"
  }

  /// The VIPs that were ours when the earlier process last said that it is alive, where that was just now.
  func ownedVIPs(_ names: SavedNames, now: UInt64) -> Set<IPAddress> {
    let alive = names.figure.alive
    guard isFound, alive <= now, now - alive < Self.grace else { return [] }
    return Set(names.vips.written.compactMap { names.vips[$0].isOwned ? names.vips[$0].address($0) : nil })
  }
}

extension SharedTables {
  /// Counts a connection that was found at its server and its template; whether it may be.
  fileprivate func admit(_ connection: inout Connection, _ judge: RecordJudge) -> Bool {
    guard judge.admits(connection: &connection) else { return false }
    if connection.parent != 0, !persistence.claim(connection.parent, server: connection.server) {
      connection.parent = 0
      connection.seal = connection.sealed
    }
    if connection.flags.contains(.inactive) {
      servers[stateOf: connection.server].inactive += 1
    } else {
      servers[stateOf: connection.server].active += 1
    }
    return true
  }

  /// Says that the director is alive, and which VIPs are its own.
  func beat(_ now: UInt64, _ vips: [VIPStatus], _ numbers: [IPAddress: UInt16]) {
    for vip in vips {
      if let number = numbers[vip.address] { names.vips[Int(number)].isOwned = vip.state == .owned }
    }
    names.figure.alive = now
  }
}
