import LVS

/// What discoveries have found, as a table: a line a server.
public enum DiscoveryListing {
  public static func text(_ discoveries: [DiscoveryStatus]) -> String {
    columns(
      ["SERVICE", "SOURCE", "SINCE", "SERVER", "WEIGHT", "STATE"],
      discoveries.flatMap { status in
        let head = ["\(status.service)", "\(status.discovery)", status.since.map(HealthListing.age) ?? "-"]
        let rows = status.servers.map { server in
          head + ["\(server.address)", "\(server.weight)", server.isLeaving ? "leaving" : "used"]
        }
        let trouble = status.trouble.map { [head + ["-", "-", $0]] } ?? []
        return rows + (rows.isEmpty && trouble.isEmpty ? [head + ["-", "-", "not answered yet"]] : trouble)
      })
  }
}
