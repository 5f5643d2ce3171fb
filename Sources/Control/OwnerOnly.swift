import Glibc
import Synchronization

/// A time in which files and sockets that the process makes are for its owner only.
///
/// The umask belongs to the whole process: of several such times that overlap, the first sets it and the last restores
/// it.
final class OwnerOnly: Sendable {
  private static let present = Mutex<(count: Int, before: mode_t)>((0, 0))
  private let isOver = Atomic<Bool>(false)

  init() {
    Self.present.withLock { present in
      if present.count == 0 { present.before = umask(0o177) }
      present.count += 1
    }
  }

  /// Ends it; once is enough, more does no harm.
  func end() {
    guard !isOver.exchange(true, ordering: .relaxed) else { return }
    Self.present.withLock { present in
      present.count -= 1
      if present.count == 0 { umask(present.before) }
    }
  }
}
