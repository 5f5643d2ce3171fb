/// Where a server's frames go.
public enum Reach: Hashable, Sendable {
  case station(MACAddress)
  /// It is being asked for; try again soon.
  case sought
  /// It does not answer.
  case silent
}
