import LVS

/// The host's DNS servers, as `/etc/resolv.conf` names them (resolv.conf(5)).
enum ResolverList {
  static let path = "/etc/resolv.conf"
  /// MAXNS of the C library's.
  private static let limit = 3
  private static let sizeLimit = 65_536

  /// As they are now: the file changes while the host goes from one network to another. Where none is named it is the
  /// host itself.
  static func read() -> [Endpoint] {
    let bytes = (try? SmallFile.read(path, limit: sizeLimit)) ?? []
    let servers = parse(bytes)
    return servers.isEmpty ? [Endpoint(IPAddress(v4: 0x7f00_0001), Resolver.usualPort)] : servers
  }

  /// An address with a zone is passed over.
  static func parse(_ bytes: [UInt8]) -> [Endpoint] {
    let lines = bytes.split { $0 == 10 || $0 == 13 }
    let addresses = lines.lazy.compactMap { line -> IPAddress? in
      let words = line.split { $0 == 32 || $0 == 9 }
      guard words.count >= 2, words[0].elementsEqual("nameserver".utf8) else { return nil }
      return IPAddress(String(decoding: words[1], as: UTF8.self))
    }
    return addresses.prefix(limit).map { Endpoint($0, Resolver.usualPort) }
  }
}
