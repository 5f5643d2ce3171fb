import Foundation
import LVS

/// What a real server was before it was set up: one file for each network namespace, gone with the next boot as the
/// settings themselves are.
struct RealServerMemory: Codable {
  var vips: [String] = []
  var settings: [String: Int] = [:]

  private static var path: String {
    let namespace = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")) ?? "net"
    return "/run/lbctl/real-server-\(namespace.filter(\.isNumber)).json"
  }

  static func read() -> RealServerMemory? {
    guard let data = FileManager.default.contents(atPath: path) else { return nil }
    // What cannot be read is what another program left there: then nothing is known of before.
    return try? JSONDecoder().decode(RealServerMemory.self, from: data)
  }

  /// Whether it is about this host still, and not about one that had the same namespace number.
  func isOf(_ addresses: [(interface: String, address: IPAddress)]) -> Bool {
    vips.contains { vip in addresses.contains { $0.interface == "lo" && $0.address.description == vip } }
  }

  func store() throws {
    do {
      try FileManager.default.createDirectory(
        atPath: URL(filePath: Self.path).deletingLastPathComponent().path, withIntermediateDirectories: true)
      try JSONEncoder().encode(self).write(to: URL(filePath: Self.path), options: .atomic)
    } catch {
      throw PlaneError.unavailable(
        "what the settings were cannot be kept in \(Self.path): \(error.localizedDescription)")
    }
  }

  static func remove() throws {
    try FileManager.default.removeItem(atPath: path)
  }
}
