import Foundation
import LVS

/// The connections that wait for a program to accept them, as /proc/net/tcp has them.
enum AcceptQueues {
  /// A program that accepts has done it by then.
  private static let patience = Duration.seconds(1)

  /// One for each port of the VIP where connections wait, and still do after a second.
  static func checks(of vip: IPAddress) async throws -> [RealServerCheck] {
    let before = lengths(at: vip)
    if before.isEmpty { return [] }
    try await Task.sleep(for: patience)
    let after = lengths(at: vip)
    return before.keys.sorted().compactMap { port in
      guard let length = after[port], length >= before[port] ?? 0 else { return nil }
      return RealServerCheck(
        name: "accept_queue", isRight: false, seen: "\(length) connections to port \(port) wait to be accepted",
        fix: "ss -ltnp 'sport = :\(port)' names the program: is it stopped, or has it no descriptors left?")
    }
  }

  /// By port, those that are not empty.
  private static func lengths(at vip: IPAddress) -> [UInt16: Int] {
    var lengths: [UInt16: Int] = [:]
    // A kernel without IPv6 has only one of them.
    for name in ["tcp", "tcp6"] {
      guard let text = try? String(contentsOfFile: "/proc/net/\(name)", encoding: .utf8) else { continue }
      for line in text.split(whereSeparator: \.isNewline).dropFirst() {
        guard let listener = Listener(line), listener.takes(vip), listener.waiting > 0 else { continue }
        lengths[listener.port, default: 0] += listener.waiting
      }
    }
    return lengths
  }

  /// A listening socket: its line there, in proc(5)'s words `local_address`, `st` and `rx_queue`.
  struct Listener {
    private static let listening = "0A"

    /// Eight or 32 hexadecimal digits, each word of four bytes in the host's order.
    let address: String
    let port: UInt16
    let waiting: Int

    init?(_ line: Substring) {
      let words = line.split(separator: " ")
      guard words.count > 4, words[3] == Self.listening, let colon = words[1].firstIndex(of: ":"),
        let port = UInt16(words[1][words[1].index(after: colon)...], radix: 16),
        let waiting = words[4].split(separator: ":").last.flatMap({ Int($0, radix: 16) })
      else { return nil }
      (address, self.port, self.waiting) = (String(words[1][..<colon]), port, waiting)
    }

    /// Whether it listens at the address: that, or all.
    func takes(_ vip: IPAddress) -> Bool {
      if address.allSatisfy({ $0 == "0" }) { return address.count == 32 || vip.family == .v4 }
      return address == Self.words(of: vip).map(Self.digits).joined()
    }

    /// From the first one on, in host order.
    private static func words(of address: IPAddress) -> [UInt32] {
      guard address.family == .v6 else { return [address.v4] }
      return [address.high, address.low].flatMap {
        [UInt32(truncatingIfNeeded: $0 >> 32), UInt32(truncatingIfNeeded: $0)]
      }
    }

    private static func digits(_ word: UInt32) -> String {
      let text = String(UInt32(bigEndian: word), radix: 16, uppercase: true)
      return String(repeating: "0", count: 8 - text.count) + text
    }
  }
}
