import CLinux
import Glibc
import Synchronization

/// A file descriptor that is closed when its owner ends.
struct Descriptor: ~Copyable {
  let number: Int32

  init(_ number: Int32, call: String) throws(SystemError) {
    guard number >= 0 else { throw SystemError(call) }
    self.number = number
  }

  deinit {
    close(number)
  }

  /// Sets a socket option of any plain type.
  func set<Value: BitwiseCopyable>(_ level: Int32, _ name: Int32, _ value: Value, call: String) throws(SystemError) {
    try Self.set(number, level, name, value, call: call)
  }

  /// Sets a socket option of a socket known by its number.
  static func set<Value: BitwiseCopyable>(
    _ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Value, call: String
  ) throws(SystemError) {
    var value = value
    let length = socklen_t(MemoryLayout<Value>.size)
    guard unsafe setsockopt(descriptor, level, name, &value, length) == 0 else { throw SystemError(call) }
  }

  /// Waits until one of them can be read, at most so many milliseconds.
  static func wait(_ descriptors: [Int32], milliseconds: Int32) {
    var watched = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    guard unsafe poll(&watched, nfds_t(watched.count), milliseconds) > 0 else { return }
    for entry in watched where entry.revents & Int16(POLLERR) != 0 { forgetError(of: entry.fd) }
  }

  /// Takes a pending error off a socket, such as that its interface went down; `poll` would return at once for ever.
  private static func forgetError(of descriptor: Int32) {
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    _ = unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
  }
}

/// Wakes a thread that waits in `poll`.
@safe final class Bell: Sendable {
  let descriptor: Int32

  init() throws(SystemError) {
    descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
    guard descriptor >= 0 else { throw SystemError("eventfd") }
  }

  deinit {
    close(descriptor)
  }

  func ring() {
    eventfd_write(descriptor, 1)
  }

  /// Takes notice of all rings so far.
  func hush() {
    var count: eventfd_t = 0
    _ = unsafe eventfd_read(descriptor, &count)
  }
}

/// The memory of this machine.
enum Memory {
  /// Pages that are free or hold buffers: what the defenses against overload go by.
  static var freePages: UInt64 { cl_free_pages() }
  /// All of it, in bytes.
  static var size: UInt64 { UInt64(sysconf(Int32(_SC_PHYS_PAGES))) * UInt64(getpagesize()) }
}

/// The clocks of this machine.
enum Clock {
  static var milliseconds: UInt64 { cl_monotonic() / 1_000_000 }
  /// Since 1970.
  static var epochMicroseconds: UInt64 {
    var now = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &now)
    return UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1_000
  }
  static var nanoseconds: UInt64 { cl_monotonic() }
  /// Of processor time that the calling thread has used.
  static var threadNanoseconds: UInt64 { cl_thread_time() }
  /// Hundredths of a second, from one: what the data plane counts in.
  static var ticks: UInt32 { UInt32(truncatingIfNeeded: cl_monotonic() / (1_000_000_000 / UInt64(ticksPerSecond))) }
}

/// A thread of its own for `body`, which runs until it returns. Who wants to know when that is joins it, once; where the
/// owner lets go of it without, it gives its stack back by itself.
final class Thread: Sendable {
  private let id: pthread_t
  private let isJoined = Atomic(false)

  init(name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
    final class Start {
      let body: @Sendable () -> Void
      init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    let start = unsafe Unmanaged.passRetained(
      Start {
        unsafe cl_name_thread(name)
        body()
      })
    var id: pthread_t = 0
    let code = unsafe pthread_create(
      &id, nil,
      { argument in
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body()
        return nil
      }, start.toOpaque())
    guard code == 0 else {
      unsafe start.release()
      throw SystemError("pthread_create", code: code)
    }
    self.id = id
  }

  deinit {
    // The stack of a thread that is neither joined nor detached stays for as long as the process lives.
    if !isJoined.load(ordering: .relaxed) { pthread_detach(id) }
  }

  /// Waits until the thread has ended.
  func join() {
    guard !isJoined.exchange(true, ordering: .relaxed) else { return }
    pthread_join(id, nil)
  }

  /// Where the calling thread runs.
  static var processor: Int { Int(cl_processor()) }

  /// Pins the calling thread to one processor; whether the kernel did.
  static func pin(_ processor: Int) -> Bool { cl_pin(Int32(processor)) == 0 }
}
