import CLinux
import Glibc

/// Network namespaces, of which each has its own interfaces.
enum NetworkNamespace {
  /// The process's own: by its cookie, which no other has until the next boot; by its inode where the kernel does not
  /// tell that (before 5.14).
  static var current: UInt64 {
    let asking = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(asking) }
    return cookie(of: asking)
  }

  /// The one that a socket is of; where the kernel does not tell, it is taken for the process's own.
  static func cookie(of socket: Int32) -> UInt64 {
    var cookie: UInt64 = 0
    var length = socklen_t(MemoryLayout<UInt64>.size)
    if unsafe getsockopt(socket, SOL_SOCKET, cl_netns_cookie, &cookie, &length) == 0 { return cookie }
    var facts = stat()
    return unsafe stat("/proc/self/ns/net", &facts) == 0 ? UInt64(facts.st_ino) : 0
  }
}
