import LVS

/// The health of servers as a table.
public enum HealthListing {
  public static func text(_ services: [ServiceHealth]) -> String {
    columns(
      ["SERVICE", "SERVER", "STATE", "SINCE", "WEIGHT", "LATENCY", "LAST RESULT"],
      services.flatMap { service in service.servers.map { row($0, of: service) } })
  }

  private static func row(_ server: WatchedServerStatus, of service: ServiceHealth) -> [String] {
    let check = server.decisive
    let farm = service.state == .normal ? "" : " (\(service.state))"
    let held = server.weightHeldBy.isEmpty ? "" : " (\(server.weightHeldBy.map(\.words).joined(separator: ", ")))"
    return [
      "\(service.service)\(farm)", "\(server.address)",
      check.map { $0.isDamped ? "\($0.state), damped" : "\($0.state)" } ?? "unwatched",
      check.map { age($0.since) } ?? "-", "\(server.effectiveWeight)\(held)", check?.latency.map(latency) ?? "-",
      check.map { "\($0.type): \($0.result ?? "not asked yet")" } ?? "-",
    ]
  }

  /// In tenths of a millisecond.
  private static func latency(_ seconds: Double) -> String {
    let tenths = Int((seconds * 10_000).rounded())
    return "\(tenths / 10).\(tenths % 10) ms"
  }

  /// `45 s`, `12 min`, `30 h`, `9 d`.
  static func age(_ seconds: UInt64) -> String {
    switch seconds {
    case ..<120: "\(seconds) s"
    case ..<7200: "\(seconds / 60) min"
    case ..<172_800: "\(seconds / 3600) h"
    default: "\(seconds / 86_400) d"
    }
  }
}
