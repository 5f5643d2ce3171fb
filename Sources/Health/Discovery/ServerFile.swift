import LVS

/// A file that names servers, one a line: `IP[:PORT] [weight]`. What follows a `#` is a comment.
enum ServerFile {
  /// In bytes.
  static let limit = 65_536

  static func read(_ path: String) -> DiscoveryOutcome {
    do throws(FileFault) { return parse(try SmallFile.read(path, limit: limit)) } catch { return .failed(error.words) }
  }

  /// What is wrong is told by its line and never quoted: the file may be any that lbd can read.
  static func parse(_ bytes: [UInt8]) -> DiscoveryOutcome {
    var servers: [FoundServer] = []
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      let words = line.prefix { $0 != UInt8(ascii: "#") }.split { $0 == 32 || $0 == 9 || $0 == 13 }
      if words.isEmpty { continue }
      guard let server = server(words.map { String(decoding: $0, as: UTF8.self) }) else {
        return .failed("line \(index + 1) is not 'IP[:PORT] [weight]' with a weight of 0 to 65535")
      }
      servers.append(server)
    }
    return servers.isEmpty ? .failed("it names no server") : .found(servers)
  }

  private static func server(_ words: [String]) -> FoundServer? {
    guard words.count <= 2, let name = words.first else { return nil }
    var server: FoundServer
    if let endpoint = Endpoint(name), endpoint.port != 0 {
      server = FoundServer(endpoint.address, port: endpoint.port)
    } else if let address = IPAddress(name) {
      server = FoundServer(address)
    } else {
      return nil
    }
    guard words.count == 2 else { return server }
    guard let weight = Int32(words[1]), Weight.range.contains(weight), !words[1].hasPrefix("+") else { return nil }
    server.weight = weight
    return server
  }
}
