import CLinux
import Glibc

/// What the calling thread, and those that it starts, may do. The functions return an errno, or nil.
enum Rights {
  /// Keeps these capabilities, as far as they are there, and no others.
  static func keep(_ capabilities: [Int32]) -> Int32? {
    let code = cl_keep_capabilities(capabilities.reduce(0) { $0 | 1 << UInt64($1) })
    return code == 0 ? nil : code
  }

  /// Has no program that it might run give it more.
  static func gainNone() -> Int32? { cl_no_new_privileges() == 0 ? nil : errno }
}

/// How much memory the process may lock, which AF_XDP's frames count as.
enum MemoryLock {
  static var isLifted: Bool { limit.rlim_cur == rlim_t.max }

  /// Takes the limit away, or raises it as far as it goes. What is too little is found out by whoever needs it.
  static func lift() {
    var none = rlimit(rlim_cur: .max, rlim_max: .max)
    if unsafe setrlimit(__rlimit_resource_t(cl_memory_lock), &none) == 0 { return }
    var most = limit
    most.rlim_cur = most.rlim_max
    _ = unsafe setrlimit(__rlimit_resource_t(cl_memory_lock), &most)
  }

  private static var limit: rlimit {
    var limit = rlimit()
    _ = unsafe getrlimit(__rlimit_resource_t(cl_memory_lock), &limit)
    return limit
  }
}
