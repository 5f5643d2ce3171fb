import LVS

/// Connections as `/proc/net/ip_vs_conn` shows them:
///
///     Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
///     TCP C0000202 9C42 0A010064 0050 0A010102 0050 ESTABLISHED     890
enum ConnectionText {
  static let title = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n"

  static func rows(_ connections: [ConnectionStatus]) -> String {
    connections.reduce(into: "") { text, row in
      let ends = [row.client, row.virtual, row.server].map { "\(hexadecimal($0.address)) \(padded($0.port, 4))" }
      text += row.transport.uppercased().padded(to: 3) + " " + ends.joined(separator: " ")
      text += " " + row.state.padded(to: 11) + " " + String(row.expires).padded(to: 7, right: true) + "\n"
    }
  }

  /// IPv4 as eight hexadecimal digits, IPv6 as eight groups of four.
  private static func hexadecimal(_ address: IPAddress) -> String {
    if address.family == .v4 { return padded(address.v4, 8) }
    let bytes = address.bytes
    return stride(from: 0, to: bytes.count, by: 2).map { place in
      padded(UInt16(bytes[place]) << 8 | UInt16(bytes[place + 1]), 4).lowercased()
    }.joined(separator: ":")
  }

  private static func padded(_ number: some BinaryInteger, _ width: Int) -> String {
    let digits = String(number, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}

extension String {
  fileprivate func padded(to width: Int, right: Bool = false) -> String {
    let blanks = String(repeating: " ", count: max(0, width - utf8.count))
    return right ? blanks + self : self + blanks
  }
}
