/// What became of a record that another director sent.
enum SyncOutcome: String, CaseIterable {
  /// There is a new connection or template.
  case entered
  /// It was known: its state, its end.
  case updated
  /// It was asked for, and known here already.
  case known
  /// No VIP, service or server here is the one that it names.
  case unknown
  /// It goes to another server than the one that is live here.
  case conflict
  /// It cannot be had here: no client can have such a connection, or IPVS has it and this director has not.
  case unfit
  /// There is no room that live connections do not need.
  case full
  /// More came than the worker had time for.
  case overrun
  /// IPVS itself would not take it.
  case rejected
}
