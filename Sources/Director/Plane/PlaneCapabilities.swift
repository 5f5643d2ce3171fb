import LVS

extension Capabilities {
  /// Of this program's own data plane: direct routing, with marks and settings of its own.
  public static var userspace: Capabilities {
    Capabilities(
      .userspace, methods: Egress.Method.allCases.map(\.kind), features: [.marks, .macs],
      settings: Settings.rules + [.failedNeighbor],
      timeouts: Settings().timeouts.asSet)
  }
}

extension UserspacePlane {
  public var capabilities: Capabilities { Self.standing }
  /// The same for every plane of its kind.
  public static var standing: Capabilities { .userspace }

  /// What there is beside the forwarding; captures are whoever's who can write their files.
  public var facilities: Facilities {
    var facilities = Facilities()
    facilities.vips = { [vips] in await vips.listing() }
    facilities.takeover = vips
    facilities.neighbors = { [vips] in await vips.worker.inspect { $0.neighbors.listing($1) } }
    facilities.failedNeighbors = FailedNeighbors(
      addresses: { [resolved] in resolved.failed }, changes: resolved.changes)
    facilities.workers = { [workers] in await workers.status() }
    facilities.tables = { [workers] in workers.tables }
    facilities.verdicts = { [workers, neighborCounters] in await workers.verdicts(beside: neighborCounters) }
    facilities.doctor = self
    facilities.sync = sync
    return facilities
  }
}
