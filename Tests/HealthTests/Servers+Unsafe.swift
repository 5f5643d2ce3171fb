import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// A listener that accepts nobody and whose queue is full.
@safe final class CrowdedServer: Sendable {
  let port: UInt16
  private let listener: Int32
  private let visitors: [Int32]

  struct NoSocket: Error {}

  init() throws {
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let (listener, size) = (listener, length)
    func with(_ body: (UnsafeMutablePointer<sockaddr>) -> Int32) -> Int32 {
      unsafe withUnsafeMutablePointer(to: &name) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0) }
      }
    }
    guard unsafe with({ unsafe bind(listener, $0, size) }) == 0, listen(listener, 0) == 0 else { throw NoSocket() }
    let named = unsafe withUnsafeMutablePointer(to: &length) { length in
      unsafe with { unsafe getsockname(listener, $0, length) }
    }
    guard named == 0 else { throw NoSocket() }
    port = UInt16(bigEndian: name.sin_port)
    // One is queued with a backlog of 0; more are so that it is full for sure.
    visitors = (0..<4).map { _ in
      let visitor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
      _ = unsafe with { unsafe connect(visitor, $0, size) }
      return visitor
    }
  }

  deinit { for descriptor in visitors + [listener] { close(descriptor) } }
}
