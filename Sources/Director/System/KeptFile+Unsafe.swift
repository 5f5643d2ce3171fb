import Glibc
import Synchronization

/// A file whose memory outlives the process.
final class KeptFile: Sendable {
  let descriptor: Int32
  let shortage: Shortage

  /// Opens the file, or makes it, with so many bytes at least. What was never written takes no memory.
  init(_ path: String, size: Int, _ shortage: Shortage) throws(SystemError) {
    descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw SystemError(path) }
    self.shortage = shortage
    if self.size != size, ftruncate(descriptor, off_t(size)) != 0 { throw SystemError(path) }
  }

  deinit { close(descriptor) }

  private var size: Int { Int(lseek(descriptor, 0, SEEK_END)) }
}

/// Whether the file system has had no room for what was to be kept.
final class Shortage: Sendable {
  private let isThere = Atomic<Bool>(false)

  func note() { isThere.store(true, ordering: .relaxed) }

  /// Whether it was noted since the last call.
  func take() -> Bool { isThere.exchange(false, ordering: .relaxed) }
}
