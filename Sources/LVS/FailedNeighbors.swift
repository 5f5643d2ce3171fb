/// The real servers at whose addresses nobody answers, though they are asked for (ARP, ND), as who asks for them has it.
public struct FailedNeighbors: Sendable {
  /// Their addresses now; asked often, so it must not wait.
  public let addresses: @Sendable () -> Set<IPAddress>
  /// Rings where one fails, or answers again. For one listener.
  public let changes: AsyncStream<Void>

  public init(addresses: @escaping @Sendable () -> Set<IPAddress>, changes: AsyncStream<Void>) {
    (self.addresses, self.changes) = (addresses, changes)
  }
}

extension SettingRule {
  /// What becomes of a real server whose neighbor has failed: `quiesce` gives it no new connections while another server
  /// of the service is there, `keep` goes on as IPVS does. It is the desired state's own: planes see the weights that
  /// come of it.
  public static let failedNeighbor = SettingRule("failed_neighbor", .words(["quiesce", "keep"]), standard: "quiesce")
}

extension DesiredState {
  /// Whether servers whose neighbors have failed get no new connections.
  public var quiescesFailedNeighbors: Bool {
    capabilities.settings.contains(.failedNeighbor) && setting(.failedNeighbor) == SettingRule.failedNeighbor.standard
  }
}
