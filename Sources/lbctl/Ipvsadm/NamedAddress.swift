import LVS

/// `host[:port]`, `address[:port]` or `[ipv6]:port`, by number or by name, as ipvsadm reads it.
struct NamedAddress: Equatable {
  var address: IPAddress
  /// nil where none was given.
  var port: UInt16?

  init?(_ text: String, _ transport: TransportProtocol?) {
    guard !text.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
    var host = text
    var service: String?
    if text.hasPrefix("[") {
      guard let end = text.firstIndex(of: "]") else { return nil }
      let rest = text[text.index(after: end)...]
      guard rest.hasPrefix(":") else { return nil }
      host = String(text[text.index(after: text.startIndex)..<end])
      service = String(rest.dropFirst())
    }
    if let address = IPAddress(host), address.family == .v6 {
      self.address = address
    } else {
      service = nil
      if let colon = host.lastIndex(of: ":") {
        service = String(host[host.index(after: colon)...])
        host = String(host[..<colon])
      }
      guard let address = HostNames.address(host) else { return nil }
      self.address = address
    }
    guard let service else { return }
    guard let port = Numbers.number(service).flatMap(UInt16.init(exactly:)) ?? HostNames.port(service, transport) else {
      return nil
    }
    self.port = port
  }
}
