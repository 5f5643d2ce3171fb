import LVS

/// The layout of `ipvsadm -L -n -c`, byte for byte (ipvsadm 1.31).
public enum ConnectionListing {
  public static let title =
    "IPVS connection entries\npro expire state       source             virtual            destination\n"

  /// The same with `--persistent-conn`.
  public static let titleWithEngines =
    "IPVS connection entries\npro expire state       source             virtual            destination        "
    + "pe name          pe_data\n"

  /// One row, with its line end. The time left is in minutes and seconds.
  public static func row(_ row: ConnectionStatus) -> String {
    self.row(row) { endpoint, _ in endpoint.description }
  }

  /// - Parameters:
  ///   - engine: what `--persistent-conn` adds: the persistence engine and its data.
  ///   - name: how an address with a port is written, given the protocol; nil for that of a firewall mark.
  public static func row(
    _ row: ConnectionStatus, engine: (name: String, data: String)? = nil,
    name: (Endpoint, TransportProtocol?) -> String
  ) -> String {
    let (minutes, seconds) = row.expires.quotientAndRemainder(dividingBy: 60)
    let left = "\(twoDigits(minutes)):\(twoDigits(seconds))"
    let transport = TransportProtocol.allCases.first { $0.name == row.transport }
    let ends = [row.client, row.virtual, row.server].map { name($0, transport) }
    return "\(row.transport.uppercased().left(3)) \(left.left(6)) \(row.state.left(11)) "
      + "\(ends[0].left(18)) \(ends[1].left(18)) "
      + (engine.map { "\(ends[2].left(16)) \($0.name.left(18)) \($0.data)\n" } ?? "\(ends[2])\n")
  }

  private static func twoDigits(_ value: UInt32) -> String { value < 10 ? "0\(value)" : String(value) }
}
