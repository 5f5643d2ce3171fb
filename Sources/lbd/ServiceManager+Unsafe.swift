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

  /// Sends a datagram and waits for nobody. What is not heard can be told to nobody else.
  private func tell(_ state: String) {
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
        _ = unsafe sendto(descriptor, state, state.utf8.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL), $0, length)
      }
    }
  }

  private static func variable(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    let text = unsafe String(cString: value)
    return text.isEmpty ? nil : text
  }
}
