import LVS

/// The layout of `ipvsadm -L -n -c`, byte for byte (ipvsadm 1.31).
public enum ConnectionListing {
  public static let title =
    "IPVS connection entries\npro expire state       source             virtual            destination\n"

  /// The same with `--persistent-conn`.
  public static let titleWithEngines =
    "IPVS connection entries\npro expire state       source             virtual            destination        "
    + "pe name          pe_data\n"

  /// Rows with their line ends.
  public static func rows(_ rows: [ConnectionStatus]) -> [UInt8] {
    var text = RowText()
    for row in rows { append(row, to: &text) { text, end, _ in text.append(end) } }
    return text.bytes
  }

  /// One row, with its line end.
  ///
  /// - Parameters:
  ///   - engine: what `--persistent-conn` adds: the persistence engine and its data.
  ///   - name: how an address with a port is written, given the protocol; nil for that of a firewall mark.
  public static func row(
    _ row: ConnectionStatus, engine: (name: String, data: String)? = nil,
    name: (Endpoint, TransportProtocol?) -> String
  ) -> String {
    var text = RowText()
    append(row, engine, to: &text) { text, end, transport in text.append(name(end, transport)) }
    return String(decoding: text.bytes, as: UTF8.self)
  }

  /// The time left is in minutes and seconds.
  private static func append(
    _ row: ConnectionStatus, _ engine: (name: String, data: String)? = nil, to text: inout RowText,
    _ end: (inout RowText, Endpoint, TransportProtocol?) -> Void
  ) {
    let transport = TransportProtocol.allCases.first { $0.name == row.transport }
    text.column(3) { $0.append(row.transport.uppercased()) }
    text.column(6) { text in
      twoDigits(row.expires / 60, &text)
      text.append(":")
      twoDigits(row.expires % 60, &text)
    }
    text.column(11) { $0.append(row.state) }
    text.column(18) { end(&$0, row.client, transport) }
    text.column(18) { end(&$0, row.virtual, transport) }
    if let engine {
      text.column(16) { end(&$0, row.server, transport) }
      text.column(18) { $0.append(engine.name) }
      text.append(engine.data)
    } else {
      end(&text, row.server, transport)
    }
    text.append("\n")
  }

  private static func twoDigits(_ value: UInt32, _ text: inout RowText) {
    if value < 10 { text.append("0") }
    text.append(value)
  }
}
