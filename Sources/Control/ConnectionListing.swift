import LVS

/// The layout of `ipvsadm -L -n -c`, byte for byte (ipvsadm 1.31).
public enum ConnectionListing {
  public static let title =
    "IPVS connection entries\npro expire state       source             virtual            destination\n"

  /// One row, with its line end. The time left is in minutes and seconds.
  public static func row(_ row: ConnectionStatus) -> String {
    let (minutes, seconds) = row.expires.quotientAndRemainder(dividingBy: 60)
    let left = "\(twoDigits(minutes)):\(twoDigits(seconds))"
    return "\(row.transport.uppercased().left(3)) \(left.left(6)) \(row.state.left(11)) "
      + "\(row.client.description.left(18)) \(row.virtual.description.left(18)) \(row.server)\n"
  }

  private static func twoDigits(_ value: UInt32) -> String { value < 10 ? "0\(value)" : String(value) }
}
