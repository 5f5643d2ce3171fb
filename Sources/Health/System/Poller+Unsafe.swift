import CHealth
import Glibc
import Synchronization

/// A call of the system's that failed: what was tried, and the errno.
struct CallFailure: Error, Hashable, CustomStringConvertible {
  let call: String
  let code: Int32

  init(_ call: String, code: Int32 = errno) { (self.call, self.code) = (call, code) }

  /// What the C library calls the errno.
  var reason: String { unsafe String(cString: strerror(code)) }

  var description: String { "\(call): \(reason)" }
}

/// Waits at many descriptors at once (epoll). It belongs to one thread, which need not be the one that
/// makes it; anybody may ring.
@safe final class Poller: @unchecked Sendable {
  /// A descriptor that is ready, by the number that it was added with.
  struct Event {
    let id: UInt64
    let canRead: Bool
    let canWrite: Bool
  }

  /// The number by which a ring is told.
  static let bellID = UInt64.max
  private static let batch = 128

  private let descriptor: Int32
  private let bell: Bell
  private let events: UnsafeMutablePointer<epoll_event>

  init() throws(CallFailure) {
    descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard descriptor >= 0 else { throw CallFailure("epoll_create1") }
    unsafe events = .allocate(capacity: Self.batch)
    bell = try Bell()
    try add(bell.descriptor, id: Self.bellID, reads: true)
  }

  deinit {
    unsafe events.deallocate()
    close(descriptor)
  }

  /// What wakes the thread that waits.
  var ringer: Bell { bell }

  /// Watches a descriptor until it is closed.
  func add(_ number: Int32, id: UInt64, reads: Bool = false, writes: Bool = false) throws(CallFailure) {
    try control(EPOLL_CTL_ADD, number, id: id, reads: reads, writes: writes)
  }

  /// Watches it for something else from now on.
  func change(_ number: Int32, id: UInt64, reads: Bool = false, writes: Bool = false) throws(CallFailure) {
    try control(EPOLL_CTL_MOD, number, id: id, reads: reads, writes: writes)
  }

  /// Lets go of a descriptor that will be somebody else's.
  func remove(_ number: Int32) {
    _ = epoll_ctl(descriptor, EPOLL_CTL_DEL, number, nil)
  }

  private func control(_ what: Int32, _ number: Int32, id: UInt64, reads: Bool, writes: Bool) throws(CallFailure) {
    var event = unsafe epoll_event()
    unsafe event.events = (reads ? EPOLLIN.rawValue : 0) | (writes ? EPOLLOUT.rawValue : 0)
    unsafe event.data.u64 = id
    guard unsafe epoll_ctl(descriptor, what, number, &event) == 0 else { throw CallFailure("epoll_ctl") }
  }

  /// Waits so many milliseconds at most; gives what is ready to `body`.
  ///
  /// - Returns: whether more may be ready.
  func wait(_ milliseconds: Int32, _ body: (Event) -> Void) -> Bool {
    let count = unsafe epoll_wait(descriptor, events, Int32(Self.batch), milliseconds)
    for index in 0..<Int(max(count, 0)) {
      let event = unsafe events[index]
      let broken = unsafe event.events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
      if unsafe event.data.u64 == Self.bellID { bell.hush() }
      let ready = unsafe event.events
      body(
        Event(
          id: unsafe event.data.u64, canRead: broken || ready & EPOLLIN.rawValue != 0,
          canWrite: broken || ready & EPOLLOUT.rawValue != 0))
    }
    return count == Self.batch
  }
}

/// Wakes a thread that waits in a poller.
final class Bell: Sendable {
  let descriptor: Int32

  init() throws(CallFailure) {
    descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
    guard descriptor >= 0 else { throw CallFailure("eventfd") }
  }

  deinit { close(descriptor) }

  func ring() { eventfd_write(descriptor, 1) }

  fileprivate func hush() {
    var count: eventfd_t = 0
    _ = unsafe eventfd_read(descriptor, &count)
  }
}

/// A thread of its own for `body`, which runs until it returns. It is not waited for.
func startThread(name: String, _ body: @escaping @Sendable () -> Void) throws(CallFailure) {
  final class Start {
    let name: String
    let body: @Sendable () -> Void
    init(_ name: String, _ body: @escaping @Sendable () -> Void) { (self.name, self.body) = (name, body) }
  }
  let start = unsafe Unmanaged.passRetained(Start(name, body))
  var id: pthread_t = 0
  let code = unsafe pthread_create(
    &id, nil,
    { argument in
      guard let argument = unsafe argument else { return nil }
      let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
      unsafe ch_name_thread(start.name)
      start.body()
      return nil
    }, start.toOpaque())
  guard code == 0 else {
    unsafe start.release()
    throw CallFailure("pthread_create", code: code)
  }
  pthread_detach(id)
}
