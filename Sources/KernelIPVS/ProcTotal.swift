import Glibc
import LVS

/// What `/proc/net/ip_vs_stats` says: connections, packets in and out, bytes in and out, in hexadecimal; then the same
/// for each second. The kernel brings it up to date every two seconds.
///
///        Total Incoming Outgoing         Incoming         Outgoing
///        Conns  Packets  Packets            Bytes            Bytes
///           1A      2B        0              3C4D                0
///
///      Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
///            1        2        0               3C                0
public struct ProcTotal: Hashable, Sendable {
  public static let file = "/proc/net/ip_vs_stats"

  public let traffic: Traffic

  /// What the file says now.
  public static func read(_ path: String = file) throws(PlaneError) -> ProcTotal {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    defer { if descriptor >= 0 { close(descriptor) } }
    var bytes = [UInt8](repeating: 0, count: 4_096)
    let count = unsafe Glibc.read(descriptor, &bytes, bytes.count)
    guard let total = ProcTotal(String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)) else {
      throw .unavailable("\(path) does not tell what the kernel's IPVS counts")
    }
    return total
  }

  /// nil where the text is something else.
  public init?(_ text: String) {
    let rows = text.split(separator: "\n").compactMap { line -> [UInt64]? in
      let words = line.split(separator: " ")
      let numbers = words.compactMap { UInt64($0, radix: 16) }
      return words.count == 5 && numbers.count == 5 ? numbers : nil
    }
    guard rows.count == 2, let counts = rows.first, let rates = rows.last else { return nil }
    traffic = Traffic(
      statistics: Statistics(
        connections: counts[0], packets: counts[1], bytes: counts[3], outPackets: counts[2], outBytes: counts[4]),
      rates: Rates(connections: rates[0], packets: rates[1], bytes: rates[3], outPackets: rates[2], outBytes: rates[4]))
  }
}
