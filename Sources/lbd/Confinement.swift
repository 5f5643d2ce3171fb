import CLinux
import Control
import LVS

/// What the process gives up while it has no thread but the first: the rights that it will never need, and the way back
/// to them.
///
/// Whatever may be needed later stays, such as new sockets for an interface that was gone, or another XDP program.
struct Confinement {
  let options: Lbd

  /// Gives the rights up.
  ///
  /// - Returns: what could not be done, a line each; lbd runs all the same.
  /// - Throws: where the group of the control socket cannot be had.
  func enter() throws(PlaneError) -> [String] {
    if let group = options.control.socketGroup { try group.join() }
    if usesXDP { MemoryLock.lift() }
    var doubts: [String] = []
    if let code = Rights.keep(capabilities) { doubts.append("lbd keeps all capabilities: \(errorText(code))") }
    if let code = Rights.gainNone() { doubts.append("no_new_privs cannot be set: \(errorText(code))") }
    if let action = options.control.seccomp.action {
      let filter = SystemCallFilter(allowing: SystemCalls.all + (usesXDP ? ["bpf"] : []), others: action)
      if let code = filter.load() { doubts.append("system calls are not filtered: \(errorText(code))") }
    }
    return doubts
  }

  private var usesXDP: Bool { options.network.dataPlane == .afXDP }

  /// For packet sockets; for interfaces, the host guard and IPVS; for the XDP program and its memory.
  private var capabilities: [Int32] {
    var needed = [CAP_NET_RAW, CAP_NET_ADMIN]
    if usesXDP { needed += MemoryLock.isLifted ? [CAP_BPF] : [CAP_BPF, CAP_IPC_LOCK] }
    if let metrics = options.control.metrics, metrics.port < 1024 { needed.append(CAP_NET_BIND_SERVICE) }
    return needed
  }
}

/// The system calls that lbd makes, by the trace of all tests, and their siblings that another C library may make
/// instead.
///
/// What is not here cannot be done, whatever becomes of the process: run another program, become another process or
/// user, look into others, mount, load modules, change clocks.
enum SystemCalls {
  static let all = memory + threads + clocks + files + events + sockets

  private static let memory = [
    "brk", "madvise", "mincore", "mlock", "mlock2", "mmap", "mprotect", "mremap", "munlock", "munmap",
  ]

  private static let threads = [
    "arch_prctl", "capget", "exit", "exit_group", "futex", "futex_waitv", "get_robust_list", "getcpu", "getegid",
    "geteuid", "getgid", "getgroups", "getpid", "getppid", "getpriority", "getrandom", "getrlimit", "getrusage",
    "gettid", "getuid", "membarrier", "prctl", "prlimit64", "restart_syscall", "rseq", "rt_sigaction", "rt_sigpending",
    "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sched_get_priority_max", "sched_get_priority_min",
    "sched_getaffinity", "sched_getparam", "sched_getscheduler", "sched_setaffinity", "sched_yield", "set_robust_list",
    "set_tid_address", "setpriority", "setrlimit", "sigaltstack", "sysinfo", "tgkill", "uname",
  ]

  private static let clocks = [
    "clock_getres", "clock_gettime", "clock_nanosleep", "gettimeofday", "nanosleep", "time", "times",
  ]

  private static let files = [
    "access", "chmod", "chown", "close", "close_range", "dup", "dup2", "dup3", "faccessat", "faccessat2", "fallocate",
    "fchmod", "fchmodat", "fchown", "fchownat", "fcntl", "fdatasync", "flock", "fstat", "fstatfs", "fsync", "ftruncate",
    "getcwd", "getdents64", "ioctl", "lchown", "lseek", "lstat", "memfd_create", "mkdir", "mkdirat", "newfstatat",
    "open", "openat", "pipe", "pipe2", "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read",
    "readlink", "readlinkat", "readv", "rename", "renameat", "renameat2", "rmdir", "stat", "statfs", "statx", "umask",
    "unlink", "unlinkat", "write", "writev",
  ]

  private static let events = [
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd", "eventfd2",
    "inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch", "poll", "ppoll", "pselect6", "select",
    "signalfd", "signalfd4", "timerfd_create", "timerfd_gettime",
    "timerfd_settime",
  ]

  private static let sockets = [
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recvfrom",
    "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown", "socketpair",
  ]
}
