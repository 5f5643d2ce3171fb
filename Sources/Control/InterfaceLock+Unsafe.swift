import CLinux
import Foundation
import LVS
import Synchronization

/// The right to be the lbd of an interface, or of a VLAN on it: two of them would both own its VIPs, and reset each
/// other's clients.
///
/// It is a listening socket with an abstract name (unix(7)). The kernel lets one process of a network namespace have it,
/// and takes it away with the process, however that ends. Whoever is refused asks it who has it.
public final class InterfaceLock: Sendable {
  private let descriptor: Int32
  private let isReleased = Atomic<Bool>(false)
  /// The interface by its own name, and the VLAN on it.
  public let interface: String
  public let vlan: UInt16?

  /// Takes the lock for the process.
  ///
  /// - Parameter socket: where this lbd will answer, for those who are refused.
  /// - Throws: `PlaneError.unavailable` where another process has it.
  public init(interface: String, vlan: UInt16?, socket: ControlSocket) throws(PlaneError) {
    (self.interface, self.vlan) = (Self.trueName(of: interface), vlan)
    let place = self.interface + (vlan.map { ".\($0)" } ?? "")
    let descriptor = Self.socket()
    guard descriptor >= 0 else { throw .unavailable("no lock for interface \(place): \(errorText())") }
    let address = AbstractAddress("lvs-director/\(place)")
    guard address.bind(descriptor), listen(descriptor, 8) == 0 else {
      let code = errno
      close(descriptor)
      guard code == EADDRINUSE else { throw .unavailable("no lock for interface \(place): \(errorText(code))") }
      let option = vlan == nil ? "--interface" : "--interface or --vlan"
      throw .unavailable(
        "\(Self.owner(at: address)) has interface \(place): stop it, or give this one another \(option)")
    }
    self.descriptor = descriptor
    let answer = "another lbd (pid \(getpid()), socket \(socket.path))"
    Thread.detachNewThread {
      while Self.tell(answer, descriptor) {}
      close(descriptor)
    }
  }

  deinit { release() }

  /// Gives the lock back, in a moment; once is enough. Ends the thread, which then closes the socket.
  public func release() {
    if !isReleased.exchange(true, ordering: .relaxed) { shutdown(descriptor, Int32(SHUT_RDWR)) }
  }

  /// An interface may have several names, of which one is its own.
  static func trueName(of interface: String) -> String {
    var name = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
    guard unsafe if_indextoname(if_nametoindex(interface), &name) != nil else { return interface }
    return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  private static func socket() -> Int32 {
    Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
  }

  /// Tells one who asks; whether to go on.
  private static func tell(_ answer: String, _ descriptor: Int32) -> Bool {
    let asker = cl_accept(descriptor)
    guard asker >= 0 else {
      if asker == -EINVAL { return false }
      // Without descriptors to spare it would fail at once again, and again.
      usleep(100_000)
      return true
    }
    // There is room for it in any new socket; one who went is not told.
    _ = unsafe send(asker, answer, answer.utf8.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
    close(asker)
    return true
  }

  /// Who has the lock, in words. One that is stopped does not answer, but the kernel knows its number.
  private static func owner(at address: AbstractAddress) -> String {
    let asking = socket()
    defer { close(asking) }
    guard asking >= 0, address.connect(asking) else { return "another process" }
    var entry = pollfd(fd: asking, events: Int16(POLLIN), revents: 0)
    _ = unsafe poll(&entry, 1, 1_000)
    var answer = [UInt8](repeating: 0, count: 512)
    let count = unsafe recv(asking, &answer, answer.count, Int32(MSG_DONTWAIT))
    if count > 0 { return String(decoding: answer[..<count], as: UTF8.self) }
    var (process, user): (Int32, UInt32) = (0, 0)
    guard unsafe cl_peer(asking, &process, &user) == 0 else { return "another process" }
    return "process \(process) of user \(user), which does not answer,"
  }
}

/// A name in the network namespace that no file belongs to.
private struct AbstractAddress {
  private var address = sockaddr_un()
  private let length: socklen_t

  /// At most 107 bytes of the name count.
  init(_ name: String) {
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = name.utf8.prefix(107)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { path in
      for (place, byte) in bytes.enumerated() { unsafe path[place + 1] = byte }
    }
    length = socklen_t(MemoryLayout<sa_family_t>.size + 1 + bytes.count)
  }

  func bind(_ descriptor: Int32) -> Bool { unsafe use { unsafe Glibc.bind(descriptor, $0, $1) == 0 } }
  func connect(_ descriptor: Int32) -> Bool { unsafe use { unsafe Glibc.connect(descriptor, $0, $1) == 0 } }

  private func use(_ call: (UnsafePointer<sockaddr>, socklen_t) -> Bool) -> Bool {
    unsafe withUnsafePointer(to: address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe call($0, length) }
    }
  }
}
