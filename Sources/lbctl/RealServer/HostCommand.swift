import Foundation
import LVS

/// What is asked of this host: its addresses, its settings, other programs.
enum HostCommand {
  /// Runs a program to its end; what it printed.
  static func output(_ words: [String]) throws -> String {
    let process = Process()
    let (output, errors) = (Pipe(), Pipe())
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = words
    (process.standardOutput, process.standardError) = (output, errors)
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      let line = complaint.split(whereSeparator: \.isNewline).first.map(String.init) ?? "failed"
      throw PlaneError.unavailable("\(words.joined(separator: " ")): \(line)")
    }
    return text
  }

  static func addresses() throws -> [(interface: String, address: IPAddress)] {
    try output(["ip", "-o", "address", "show"]).split(whereSeparator: \.isNewline).compactMap { line in
      let words = line.split(separator: " ")
      guard words.count > 3, ["inet", "inet6"].contains(words[2]),
        let address = IPAddress(words[3].prefix { $0 != "/" })
      else { return nil }
      return (interface: String(words[1]), address: address)
    }
  }

  private static func path(_ key: String) -> String {
    // An interface's name may have dots of its own.
    let parts = key.split(separator: ".")
    let scope = parts[3..<(parts.count - 1)].joined(separator: ".")
    return "/proc/sys/net/ipv4/conf/\(scope)/\(parts[parts.count - 1])"
  }

  /// A setting such as `net.ipv4.conf.eth0.arp_ignore`.
  static func setting(_ key: String) throws -> Int {
    guard let text = try? String(contentsOfFile: path(key), encoding: .utf8),
      let value = Int(text.trimmingCharacters(in: .whitespacesAndNewlines))
    else { throw PlaneError.unavailable("\(key) cannot be read") }
    return value
  }

  static func set(_ key: String, _ value: Int) throws {
    guard let file = FileHandle(forWritingAtPath: path(key)),
      (try? file.write(contentsOf: Data("\(value)\n".utf8))) != nil
    else { throw PlaneError.unavailable("\(key) cannot be set: be root (--dry-run shows what would be done)") }
    // The kernel has taken the value over.
    try? file.close()
  }
}
