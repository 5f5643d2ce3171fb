import Glibc
import LVS

/// The kernel's `net.ipv4.vs` sysctls.
enum KernelSettings {
  private static let folder = "/proc/sys/net/ipv4/vs/"

  /// By name; none where the kernel has no IPVS.
  static func all() -> [String: String] {
    guard let directory = unsafe opendir(folder) else { return [:] }
    defer { unsafe closedir(directory) }
    var values: [String: String] = [:]
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if !name.hasPrefix("."), let value = read(name) { values[name] = value }
    }
    return values
  }

  /// Sets them in order; where the kernel refuses one, those before it are set back.
  static func set(_ settings: [(name: String, value: String)]) throws(PlaneError) {
    var before: [(name: String, value: String)] = []
    for (name, value) in settings {
      let present = read(name)
      guard write(name, value) else {
        for (name, value) in before.reversed() { _ = write(name, value) }
        throw .invalid("the kernel does not take '\(value)' for \(name), or you are not root")
      }
      if let present { before.append((name, present)) }
    }
  }

  private static func read(_ name: String) -> String? {
    let descriptor = unsafe open(folder + name, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = unsafe Glibc.read(descriptor, &bytes, bytes.count)
    guard count >= 0 else { return nil }
    return String(decoding: bytes.prefix(count).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
  }

  /// Whether the kernel took the value.
  private static func write(_ name: String, _ value: String) -> Bool {
    let descriptor = unsafe open(folder + name, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    let bytes = Array(value.utf8)
    return unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count
  }
}
