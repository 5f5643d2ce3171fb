import CLinux
import Director
import Glibc

/// The program that started this one and wants to know how it does: systemd, or what speaks as it does (sd_notify(3)).
struct ServiceManager: Sendable {
  /// Where it hears; nil where nobody wants to know.
  private let path: String?
  /// How often it wants to hear that the program is alive, at least; nil where it does not.
  let watchdog: Duration?

  init() {
    path = Self.variable("NOTIFY_SOCKET")
    let isMeant = Self.variable("WATCHDOG_PID").map { $0 == String(getpid()) } ?? true
    watchdog = isMeant ? Self.variable("WATCHDOG_USEC").flatMap { Int64($0) }.map { .microseconds($0) } : nil
  }

  func ready() { tell("READY=1") }
  func stopping() { tell("STOPPING=1") }
  func alive() { tell("WATCHDOG=1") }

  func reloading() {
    var now = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    tell("RELOADING=1\nMONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1_000)")
  }

  /// Where descriptors outlive the process, and those that the process before this one left there (sd_notify(3),
  /// `FDSTORE`; sd_listen_fds(3)). To be asked for once.
  ///
  /// - Parameter found: what the process before this one left elsewhere.
  func stored(_ found: [String: Int32]? = nil) -> StoredDescriptors {
    let passed = Self.passed
    if found != nil { for descriptor in passed.values { close(descriptor) } }
    guard path != nil else { return StoredDescriptors(found ?? passed) }
    return StoredDescriptors(
      found ?? passed,
      keeper: .init(
        // Not polled: one that reports an error, as when the interface is down, would be thrown away.
        store: { tell("FDSTORE=1\nFDNAME=\($0)\nFDPOLL=0", with: $1) },
        forget: { tell("FDSTOREREMOVE=1\nFDNAME=\($0)") }))
  }

  /// The most that a manager is believed to pass on.
  private static let mostPassed: Int32 = 1_024

  /// The descriptors that the manager passes on, from number 3 on, by name.
  private static var passed: [String: Int32] {
    guard variable("LISTEN_PID") == String(getpid()), let count = variable("LISTEN_FDS").flatMap({ Int32($0) }),
      (1...mostPassed).contains(count)
    else { return [:] }
    let names = (variable("LISTEN_FDNAMES") ?? "").split(separator: ":", omittingEmptySubsequences: false)
    var passed: [String: Int32] = [:]
    for (place, descriptor) in (3..<3 + count).enumerated() {
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
      let name = place < names.count ? String(names[place]) : "unnamed-\(place)"
      // Of several with one name the last was stored last.
      if let older = passed.updateValue(descriptor, forKey: name) { close(older) }
    }
    return passed
  }

  /// Sends a datagram and waits for nobody. What is not heard can be told to nobody else.
  ///
  /// - Parameter passing: a descriptor for the manager to keep.
  private func tell(_ state: String, with passing: Int32? = nil) {
    guard let path else { return }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8.prefix(MemoryLayout.size(ofValue: address.sun_path)))
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { name in
      unsafe name.copyBytes(from: bytes)
      // An abstract name (unix(7)) is written with an @.
      if bytes.first == UInt8(ascii: "@") { unsafe name[0] = 0 }
    }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        let passing = passing.map { [$0] } ?? []
        _ = unsafe cl_send_descriptors(
          descriptor, $0, length, state, state.utf8.count, passing, Int32(passing.count))
      }
    }
  }

  private static func variable(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    let text = unsafe String(cString: value)
    return text.isEmpty ? nil : text
  }
}
