import Glibc
import Synchronization

/// A file that one process has at a time. A process that dies has it no longer, however it died.
final class FileLock: Sendable {
  private let path: String
  private let descriptor: Int32
  private let isReleased = Atomic<Bool>(false)

  /// Takes the lock; at its end the file is removed.
  ///
  /// - Throws: `Refusal` where another process has it, or the file cannot be opened.
  init(_ path: String) throws(Refusal) {
    self.path = path
    while true {
      let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
      guard descriptor >= 0 else { throw .cannot(errno) }
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
        let (code, owner) = (errno, Self.read(descriptor))
        close(descriptor)
        throw code == EWOULDBLOCK ? .held(by: owner) : .cannot(code)
      }
      // The one who had it may have removed it since it was opened: the file of that path is another one then.
      guard Self.isAt(path, descriptor) else {
        close(descriptor)
        continue
      }
      self.descriptor = descriptor
      break
    }
    _ = ftruncate(descriptor, 0)
    let owner = "\(getpid())\n"
    _ = unsafe pwrite(descriptor, owner, owner.utf8.count, 0)
  }

  enum Refusal: Error {
    /// By the process of this number, as far as it is known.
    case held(by: Int?)
    /// An errno.
    case cannot(Int32)
  }

  deinit { release() }

  /// Gives the lock back; once is enough.
  func release() {
    guard !isReleased.exchange(true, ordering: .relaxed) else { return }
    unsafe unlink(path)
    close(descriptor)
  }

  private static func isAt(_ path: String, _ descriptor: Int32) -> Bool {
    var (there, here) = (stat(), stat())
    guard unsafe stat(path, &there) == 0, unsafe fstat(descriptor, &here) == 0 else { return false }
    return there.st_ino == here.st_ino && there.st_dev == here.st_dev
  }

  private static func read(_ descriptor: Int32) -> Int? {
    var text = [UInt8](repeating: 0, count: 16)
    let count = unsafe pread(descriptor, &text, text.count, 0)
    return Int(String(decoding: text.prefix(max(count, 0)).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
  }
}
