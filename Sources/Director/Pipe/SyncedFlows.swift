import LVS

/// A record on its way to the worker that owns its client's connections.
struct SyncedFlow: Sendable {
  var flow: FlowRecord
  /// It says how things stood when it was asked for: it alters nothing that is known here.
  var isSnapshot: Bool
}

/// Records on their way to the worker that owns their clients' connections.
struct SyncedFlows: Sendable {
  var records: ArraySlice<SyncedFlow>
  let figures: SyncFigures
}
