/// Where a scheduler is in its round.
struct SchedulerTurn: BitwiseCopyable, Equatable {
  /// The position of the server that was chosen last; -1 is the head of the list, before the first.
  var last: Int32 = -1
  /// The bar of a weighted round.
  var bar: Int32 = 0
}
