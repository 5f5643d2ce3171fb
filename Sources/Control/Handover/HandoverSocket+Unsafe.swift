import CLinux
import Glibc
import LVS

/// One end of the conversation by which an lbd hands over to another one, or the place where it begins.
final class HandoverSocket: Sendable {
  private let descriptor: Int32
  /// The most bytes of a message.
  private static let longest = 1 << 14

  private init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  private static func open() throws(SystemCallFailure) -> HandoverSocket {
    let descriptor = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw SystemCallFailure(code: errno) }
    return HandoverSocket(descriptor)
  }

  /// Where others can ask; in the place of a socket that nobody listens at any more.
  static func listening(at path: String) throws(SystemCallFailure) -> HandoverSocket {
    let socket = try open()
    let file = FilePath(path: path)
    if file.isSocket { file.remove() }
    guard unsafe withAddress(path, { unsafe bind(socket.descriptor, $0, $1) }) == 0, listen(socket.descriptor, 4) == 0
    else { throw SystemCallFailure(code: errno) }
    return socket
  }

  static func connected(to path: String) throws(SystemCallFailure) -> HandoverSocket {
    let socket = try open()
    guard unsafe withAddress(path, { unsafe connect(socket.descriptor, $0, $1) }) == 0 else {
      throw SystemCallFailure(code: errno)
    }
    return socket
  }

  /// A path that is too long is none: nobody is there.
  private static func withAddress(_ path: String, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
      errno = ENAMETOOLONG
      return -1
    }
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
    return unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe call($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }

  /// Waits for somebody who asks; nil once `end` was called.
  func accept() -> HandoverSocket? {
    while true {
      let asker = cl_accept(descriptor)
      if asker >= 0 { return HandoverSocket(asker) }
      if asker == -EINVAL { return nil }
      // Without descriptors to spare it would fail at once again, and again.
      usleep(100_000)
    }
  }

  /// Has `accept` return.
  func end() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  /// Sends a message, without waiting.
  func send(_ text: String, _ descriptors: [Int32] = []) throws(SystemCallFailure) {
    let code = unsafe cl_send_descriptors(
      descriptor, nil, 0, text, text.utf8.count, descriptors, Int32(descriptors.count))
    if code != 0 { throw SystemCallFailure(code: code) }
  }

  /// Waits for a message at most so long; nil where none comes any more. The descriptors are the caller's.
  func receive(within milliseconds: Int32) -> (text: String, descriptors: [Int32])? {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard unsafe poll(&entry, 1, milliseconds) > 0 else { return nil }
    var text = [UInt8](repeating: 0, count: Self.longest)
    var (descriptors, count) = ([Int32](repeating: -1, count: Int(cl_most_descriptors)), Int32(0))
    let length = unsafe cl_receive_descriptors(descriptor, &text, text.count, &descriptors, &count)
    guard length > 0 else { return nil }
    return (String(decoding: text[..<length], as: UTF8.self), Array(descriptors[..<Int(count)]))
  }
}

/// A system call that failed with this errno.
struct SystemCallFailure: Error { let code: Int32 }
