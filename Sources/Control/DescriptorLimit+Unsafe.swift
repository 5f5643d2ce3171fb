import Glibc

/// How many descriptors the process may have.
public enum DescriptorLimit {
  /// More are of no use, and some programs of old look at each number up to the limit.
  private static let most: rlim_t = 65_536

  static var present: Int { Int(clamping: limit.rlim_cur) }

  private static var limit: rlimit {
    var limit = rlimit()
    // It fails for no process's own limits.
    _ = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return limit
  }

  /// Takes as many as it can have.
  ///
  /// A soft limit of 1,024 is for programs that use `select`; this one does not.
  public static func raise() {
    var limit = limit
    limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, most))
    // What is refused leaves the limit as it was, which the shares of the servers go by.
    _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }
}
